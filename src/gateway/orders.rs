//! What an operator asks of a modem of another host goes there through the store: the host that has the modem does it, and
//! writes down the answer for the one that was asked.

use std::sync::Arc;
use std::time::Duration;

use gsm_modem::UssdAnswer;
use tokio::sync::oneshot;

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::{Gateway, Inner};
use super::lock::locked;
use super::submit::Control;
use crate::fleet::{ModemOrder, OrderId};
use crate::id::MessageId;
use crate::store::HostRecords as _;

/// How long another host may take, besides what the network may.
const PATIENCE: Duration = Duration::from_secs(10);

impl Inner {
    /// Has another host do this with one of its modems.
    pub(super) async fn order(
        self: &Arc<Self>,
        host: String,
        modem: &str,
        control: Control,
    ) -> Result<Option<UssdAnswer>> {
        let fleet = self.fleet_or_refuse()?;
        let wait =
            PATIENCE + if let Control::Ussd { timeout, .. } = &control { *timeout } else { Duration::ZERO };
        let now = self.now().steady();
        let id: OrderId = self.ids.next::<MessageId>(now).to_bytes();
        let (told, answer) = oneshot::channel();
        locked(&fleet.waiting).insert(id, told);
        let order = ModemOrder {
            id,
            host: host.clone(),
            modem: modem.to_owned(),
            until: now.plus(wait),
            asked: self.key.seal(&id, asked(&control).as_bytes()),
            answer: None,
        };
        let put = self.perform(move |mv| Ok(mv.tx.put_order(&order)?)).await;
        let late =
            GatewayError::Conflict(format!("the host {host}, which has the modem, did not answer in time"));
        let outcome = match put {
            Ok(()) => match tokio::time::timeout(wait, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => Err(late),
            },
            Err(e) => Err(e),
        };
        locked(&fleet.waiting).remove(&id);
        // What stays is forgotten when its time is over.
        let forget = move |mv: &mut Move<'_, '_>| Ok(mv.tx.delete_order(&id)?);
        let _ = self.perform(forget).await;
        // How the modem is now.
        let _ = self.look_at_hosts().await;
        outcome
    }

    /// Orders were given or answered.
    pub(super) async fn take_orders(self: &Arc<Self>, ids: Vec<OrderId>) -> Result<()> {
        let Some(fleet) = &self.fleet else { return Ok(()) };
        for id in ids {
            let Some(order) = self.store.read(move |view| view.order(&id)).await?? else { continue };
            let opened = |sealed| match self.key.unseal(&id, sealed) {
                Ok(text) => String::from_utf8(text.expose().clone()).unwrap_or_default(),
                Err(_) => String::new(),
            };
            if let Some(answer) = &order.answer {
                if let Some(told) = locked(&fleet.waiting).remove(&id) {
                    // Whoever asked may have gone.
                    let _ = told.send(answered(&opened(answer)));
                }
            } else if order.host == fleet.name && self.now().steady() < order.until {
                let (inner, asked) = (Arc::clone(self), opened(&order.asked));
                // The network may take its time, and nothing waits for it.
                tokio::spawn(async move { inner.carry_out(order, &asked).await });
            }
        }
        Ok(())
    }

    async fn carry_out(self: Arc<Self>, order: ModemOrder, asked: &str) {
        let done = match control(asked) {
            Some(control) => Gateway(Arc::clone(&self)).control(&order.modem, control).await,
            None => Err(GatewayError::Conflict("its version does not know this order".to_owned())),
        };
        let id = order.id;
        let answer = self.key.seal(&id, answer(&done).as_bytes());
        if let Some(fleet) = &self.fleet
            && let Err(e) = self.beat(fleet).await
        {
            tracing::debug!("the modem {} is told of later: {e}", order.modem);
        }
        let put = move |mv: &mut Move<'_, '_>| {
            // Nobody waits any more when it is gone.
            if mv.tx.order(&id)?.is_some() {
                mv.tx.put_order(&ModemOrder { answer: Some(answer), ..order })?;
            }
            Ok(())
        };
        if let Err(e) = self.make_in_turn(put).await {
            tracing::warn!("the answer to an order of another host was not written: {e}");
        }
    }
}

/// An order as it is written: a word, and of a request to the network the seconds that it may take, and the code.
fn asked(control: &Control) -> String {
    match control {
        Control::Pause => "pause".to_owned(),
        Control::Resume => "resume".to_owned(),
        Control::Reset => "reset".to_owned(),
        Control::Ussd { code, timeout } => {
            let code = code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
            format!("ussd {}{code}", timeout.as_secs())
        }
        // Nobody asks these of another host.
        Control::ExpectLate | Control::Cure { .. } => String::new(),
    }
}

fn control(asked: &str) -> Option<Control> {
    let mut words = asked.splitn(3, ' ');
    Some(match words.next()? {
        "pause" => Control::Pause,
        "resume" => Control::Resume,
        "reset" => Control::Reset,
        "ussd" => {
            let timeout = Duration::from_secs(words.next()?.parse().ok()?);
            Control::Ussd { code: words.next().map(str::to_owned), timeout }
        }
        _ => return None,
    })
}

/// An answer as it is written: a word, and behind it the network's text or why it was not done.
fn answer(done: &Result<Option<UssdAnswer>>) -> String {
    match done {
        Ok(None) => "done".to_owned(),
        Ok(Some(UssdAnswer { text, open: true })) => format!("open {text}"),
        Ok(Some(UssdAnswer { text, open: false })) => format!("text {text}"),
        Err(why) => format!("not {why}"),
    }
}

fn answered(answer: &str) -> Result<Option<UssdAnswer>> {
    let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    let text = |open| Ok(Some(UssdAnswer { text: rest.to_owned(), open }));
    match word {
        "done" => Ok(None),
        "open" => text(true),
        "text" => text(false),
        _ => Err(GatewayError::Conflict(rest.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_answers_are_read_as_they_were_written() {
        let ussd = |code: Option<&str>| Control::Ussd {
            code: code.map(str::to_owned),
            timeout: Duration::from_secs(30),
        };
        for order in [
            Control::Pause,
            Control::Resume,
            Control::Reset,
            ussd(Some("*100#")),
            ussd(Some("1 2")),
            ussd(None),
        ] {
            assert_eq!(control(&asked(&order)), Some(order));
        }
        for unknown in ["", "ussd", "ussd x *100#", "explode", &asked(&Control::ExpectLate)] {
            assert_eq!(control(unknown), None, "{unknown}");
        }
        let said = |text: &str, open| Ok(Some(UssdAnswer { text: text.to_owned(), open }));
        for done in [
            Ok(None),
            said("Balance: 5.00\n1 more", true),
            said("", false),
            Err(GatewayError::Conflict("no SIM".to_owned())),
        ] {
            assert_eq!(answered(&answer(&done)), done);
        }
    }
}
