//! What goes wrong, kind by kind.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gsm_sim::script::CardState;
use gsm_sim::{Fault, FaultKind, Point, Rack, Reports, Restart};
use tokio::time::sleep;

use super::client::prefix;
use super::dice::Dice;
use super::plan::Kind;
use super::world::World;

impl World {
    /// Faults of one kind, one after the other.
    pub(super) async fn trouble(self, kind: Kind, mean: Duration) {
        let mut dice = Dice::new(self.plan().seed, 10 + kind as u64);
        let mean = u64::try_from(mean.as_millis()).unwrap();
        loop {
            sleep(dice.millis(2 * mean)).await;
            let place = usize::try_from(dice.below(self.plan().modems as u64)).unwrap();
            let lasts = Duration::from_secs(1) + dice.millis(60_000);
            let trouble = self.model(super::model::Model::trouble);
            self.step(&format!("{kind:?} at modem {place} for {lasts:?}"));
            self.begin(kind, place, &mut dice);
            sleep(lasts).await;
            self.end(kind, place);
            self.model(|model| model.over(trouble));
        }
    }

    fn begin(&self, kind: Kind, place: usize, dice: &mut Dice) {
        let rack = self.rack();
        let fault = |kind, times| Fault::new(kind).times(times);
        let lost = |point, times| fault(FaultKind::LoseResult, times).at(point);
        let mut restart = |announce| Restart { announce, text_mode: dice.one_in(2) };
        match kind {
            // The daemon's own actor counts its steps.
            Kind::Crash => {}
            Kind::ResultLost => rack.fault(place, lost(Point::Accepted, 1)),
            Kind::ResultLate => rack.fault(place, fault(FaultKind::LateResult(dice.millis(50_000)), 1)),
            Kind::Silence => rack.fault(place, lost(Point::Command, 2)),
            Kind::Refused => rack.fault(place, fault(FaultKind::CmsError(38), 3)),
            Kind::Garbage => rack.fault(place, fault(FaultKind::Garbage(b"\xff\x00+CM".to_vec()), 2)),
            Kind::SilentRestart => rack.restart(place, restart(None)),
            Kind::Restart => rack.restart(place, restart(Some(vec!["^SYSSTART".to_owned()]))),
            Kind::Hang => rack.fault(place, fault(FaultKind::Hang(Some(dice.millis(90_000))), 1)),
            Kind::Reports => {
                let times = u32::try_from(dice.below(3)).unwrap();
                let (delay, before_answer) = (dice.millis(30_000).into(), dice.one_in(3));
                rack.set_reports(place, Reports { delay, times, before_answer });
            }
            Kind::Slow => rack.set_air_time(place, dice.millis(12_000)),
            Kind::CardAway => rack.set_card(place, CardState::Absent),
            Kind::CardBusy => rack.set_card_busy(place, dice.millis(20_000)),
            Kind::FailsAll => rack.refuse_all(place, 50),
            Kind::FailsSome => {
                for story in 0..1000 {
                    rack.refuse(place, &format!("{}{story:04}", prefix(dice.below(6))), 1);
                }
            }
            Kind::NetworkLost => rack.set_registration(place, 2),
            Kind::StorageFull => rack.fill(place, "SM"),
            Kind::Unplugged => rack.unplug(place),
            Kind::Swapped => {
                let other = usize::try_from(dice.below(self.plan().modems as u64)).unwrap();
                // What a modem has goes with it, and is ended at its place.
                well(rack, place);
                well(rack, other);
                rack.swap(place, other);
            }
            Kind::DiskFull => self.machine().full.store(true, Ordering::SeqCst),
            Kind::ClockSet => {
                // The last is as far back as 1970.
                let most = [60_000, 12 * 3_600_000, 800 * 86_400_000, u64::MAX / 2];
                let most = most[usize::try_from(dice.below(4)).unwrap()];
                let (now, by) = (self.clock().now(), dice.millis(most));
                let ahead = dice.one_in(2) && most < u64::MAX / 2;
                self.set_clock(if ahead { now.plus(by) } else { now.minus(by) });
            }
            Kind::Reloaded => self.reload(dice.below(3)),
            Kind::Flood => self.flood(true),
        }
    }

    fn end(&self, kind: Kind, place: usize) {
        let rack = self.rack();
        match kind {
            Kind::Flood => self.flood(false),
            Kind::DiskFull => self.machine().full.store(false, Ordering::SeqCst),
            Kind::ClockSet => self.right_clock(),
            Kind::Crash | Kind::Reloaded => {}
            _ => well(rack, place),
        }
    }

    /// Nothing goes wrong any more.
    pub(super) fn end_all(&self) {
        for place in 0..self.plan().modems {
            well(self.rack(), place);
        }
        self.flood(false);
        self.machine().full.store(false, Ordering::SeqCst);
        self.right_clock();
    }

    /// Sets the wall clock right.
    fn right_clock(&self) {
        if self.plan().has(Kind::ClockSet) {
            self.set_clock(self.right_time());
        }
    }
}

/// A modem is well again, whatever it had.
fn well(rack: &Rack, place: usize) {
    rack.clear_faults(place);
    rack.unhang(place);
    // A port of memory can always be made.
    rack.plug(place).unwrap();
    rack.set_card(place, CardState::Ready);
    rack.set_registration(place, 1);
    rack.refuse_none(place);
    rack.set_air_time(place, Duration::from_secs(2));
    rack.set_reports(place, Reports::default());
}

/// Where a modem's port is looked for.
pub(super) fn port(place: usize) -> std::path::PathBuf {
    Path::new("/sim").join(format!("modem{place}"))
}
