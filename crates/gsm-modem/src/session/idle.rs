//! A session without work: what waited is done first, in the order of its importance; then the session waits.
//! And the two states in which nothing is done.

use std::time::{Duration, Instant};

use super::bring_up;
use super::check::Check;
use super::cure::Cure;
use super::fault::Fault;
use super::input::Closing;
use super::procedure::{Activity, Cx, Next, Procedure};
use super::read::Read;
use super::ussd::Ussd;
use crate::at::Registration;
use crate::dialogue::{Ended, Open};
use crate::snapshot::State;

/// An order that waits is taken before the next errand.
const ERRAND_GAP: Duration = Duration::from_millis(1);

/// Nothing is under way.
#[derive(Debug)]
pub(super) struct Idle;

/// There is no port.
#[derive(Debug)]
pub(super) struct Closed;

/// The state after the last rung: the modem is asked now and then whether it answers, and its port stays open, so that
/// a new device is noticed.
#[derive(Debug)]
pub(super) struct Resting {
    pub(super) until: Instant,
}

impl Procedure for Idle {
    fn activity(&self) -> Activity {
        Activity::Idle
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Next {
        let pending = &mut cx.known.pending;
        if pending.stop.is_some() {
            return Next::Close(Closing::Stop);
        }
        if pending.restart {
            return Next::then(Cure::restart());
        }
        if std::mem::take(&mut pending.bring_up) {
            return Next::BringUp(Open::No);
        }
        if let Some(why) = pending.cure.take()
            && let Some(rung) = cx.known.ladder.failing(cx.now)
        {
            return cx.attempt(rung, Fault::Failing(why));
        }
        let registration = cx.known.view.snapshot.registration;
        if cx.known.domain.is_some() && !cx.known.may_send(registration) {
            let roaming = registration == Registration::Roaming;
            cx.set_fault(if roaming { Fault::RoamingForbidden } else { Fault::NetworkLost });
            cx.known.set_state(State::Recovering, cx.dialogue);
            return Next::Then(bring_up::network());
        }
        if cx.known.pending.acknowledge > 0 {
            cx.known.pending.acknowledge -= 1;
            return Next::then(Check::acknowledge());
        }
        let text = &cx.known.format.text;
        if (!text.on || text.charset == Some(text.plain))
            && let Some(request) = cx.known.pending.ussd.take()
        {
            return Next::then(Ussd::new(request));
        }
        let later = cx.now + cx.known.settings.timing.keep_alive;
        let keep_alive = *cx.known.pending.keep_alive.get_or_insert(later);
        let errand = cx.known.storage_due(cx.now).map(|due| due.max(cx.now + ERRAND_GAP));
        cx.known.timer = Some(errand.map_or(keep_alive, |due| due.min(keep_alive)));
        cx.known.set_state(State::Ready, cx.dialogue);
        cx.well();
        Next::Stay
    }

    fn ended(&mut self, _ended: Ended, _cx: &mut Cx<'_>) -> Next {
        Next::Done
    }

    fn timer(&mut self, cx: &mut Cx<'_>) -> Next {
        if cx.known.ussd_dialogue.is_stale(cx.now) {
            return Next::then(Ussd::end_of_dialogue(cx.known.settings.timing.command));
        }
        if let Some(errand) = cx.known.next_errand(cx.now) {
            return Next::then(Read::new(errand));
        }
        if cx.known.codes_are_due(cx.now) {
            return Next::Then(bring_up::storages());
        }
        if cx.known.pending.keep_alive.take_if(|at| *at <= cx.now).is_none() {
            return self.begin(cx);
        }
        Next::then(Check::keep_alive(cx.known))
    }

    fn wake(&mut self, cx: &mut Cx<'_>) -> Next {
        self.begin(cx)
    }

    fn restarted_silently(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.pending.bring_up = true;
        self.begin(cx)
    }
}

impl Procedure for Closed {
    fn activity(&self) -> Activity {
        Activity::Closed
    }

    fn begin(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    fn ended(&mut self, _ended: Ended, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    fn found(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    fn restarted_silently(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }
}

impl Procedure for Resting {
    fn activity(&self) -> Activity {
        Activity::Resting
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.timer = Some(self.until.min(cx.now + cx.known.settings.timing.keep_alive));
        cx.known.set_state(State::Recovering, cx.dialogue);
        Next::Stay
    }

    fn ended(&mut self, _ended: Ended, _cx: &mut Cx<'_>) -> Next {
        Next::Stay
    }

    fn timer(&mut self, cx: &mut Cx<'_>) -> Next {
        if cx.known.ladder.rests_until(cx.now).is_some() {
            cx.dialogue.find_by_one_call(cx.now);
            return Next::Stay;
        }
        Next::BringUp(Open::Perhaps)
    }

    fn found(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::Then(bring_up::first())
    }

    fn restarted_silently(&mut self, _cx: &mut Cx<'_>) -> Next {
        Next::BringUp(Open::Perhaps)
    }
}
