//! Canaries through real sessions on ptys: simulated modems send each other one, and both know it again.

use std::sync::Arc;
use std::time::Duration;

use gsm_modem::SystemHost;
use gsm_sim::{Options, Sim};
use smsotpd::clock::Clock;
use smsotpd::config::profiles;
use smsotpd::daemon::{Core, PluggedModem};
use smsotpd::gateway::{CanaryEnd, InboxFilter, Settings};
use smsotpd::secret::Key;
use smsotpd::store::Store;

use crate::daemon_support::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn simulated_modems_send_each_other_canaries() {
    let sim = Sim::start(Options { modems: 2, ..Options::default() }).unwrap();
    let modems: Vec<PluggedModem> = (0..2)
        .map(|place| {
            let settings = gsm_modem::Settings {
                profiles: profiles(),
                ..gsm_modem::Settings::new(format!("m{place}"), sim.port(place))
            };
            (settings, Arc::new(SystemHost::default()) as Arc<dyn gsm_modem::Host>)
        })
        .collect();
    let numbers = (0..2).map(|place| (format!("m{place}"), sim.number(place).parse().unwrap())).collect();
    // Shorter than any configuration allows.
    let settings = Settings { canary: Some(Duration::from_secs(1)), numbers, ..Settings::default() };
    let mut heard = sim.listen();
    let key = Key::from_bytes([7; 32]);
    let core = Core::start(Store::in_memory(), key, Clock::system(), settings, modems).await.unwrap();
    let gateway = core.gateway().clone();
    let came = async {
        let arrived = |name: &str| {
            let canary = gateway.modem(name).unwrap().canary;
            canary.is_some_and(|canary| canary.end == CanaryEnd::Arrived && canary.delivered == Some(true))
        };
        let mut events = gateway.live();
        loop {
            tokio::select! {
                message = heard.recv() => sim.pass_on(&message.expect("the network goes on")),
                // A canary that comes is no event, and what it makes of its modem shows with the next one.
                event = events.recv() => drop(event.expect("events go on")),
            }
            if arrived("m0") && arrived("m1") {
                return;
            }
        }
    };
    let done = tokio::time::timeout(PATIENCE, came).await;
    assert!(done.is_ok(), "{:?} {}", gateway.modems(), gateway.metrics());
    let inbox = gateway.inbox(InboxFilter { limit: 9, before: None }).await.unwrap();
    assert!(inbox.items.is_empty(), "{:?}", inbox.items);
    core.stop().await.close().await;
}
