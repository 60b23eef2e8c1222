//! The log has a line for each step of a message's life, whole without its fields, and no number.

use std::io::Write;
use std::sync::OnceLock;

use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::outbox::MessageStatus::{Delivered, Expired, Failed, Sent};

const PHONE: &str = "+41791234567";

/// What a log writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        locked(&self.0).extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// Writes down what this thread logs from now on. While there is one subscriber alone, tracing asks the thread that comes
    /// to a line first whether anybody wants the line, and keeps that answer for all threads: so there is a second one.
    fn kept() -> (Self, tracing::subscriber::DefaultGuard) {
        static SECOND: OnceLock<tracing::Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| tracing::Dispatch::new(tracing_subscriber::registry()));
        let lines = Self::default();
        let log = tracing_subscriber::fmt().with_ansi(false).without_time().with_max_level(Level::INFO);
        let guard = tracing::subscriber::set_default(log.with_writer(lines.clone()).finish());
        (lines, guard)
    }

    /// The lines about this message, from their level on.
    fn of(&self, id: MessageId) -> Vec<String> {
        let (text, id) = (String::from_utf8(locked(&self.0).clone()).unwrap(), id.to_string());
        assert!(!text.contains("791234567"), "{text}");
        text.lines().filter(|line| line.contains(&id)).map(|line| line.trim().replace(&id, "ID")).collect()
    }
}

#[tokio::test]
async fn a_code_that_arrives_has_three_lines() {
    let (lines, _guard) = Lines::kept();
    let mut settings = settings();
    settings.services.get_mut("default").unwrap().report = true;
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let accepted = Outcome::Accepted { references: vec![40] };
    let held = world.hold(0, accepted);
    let v = world.issue(PHONE).await.unwrap();
    let code = code_of(&world.aired().await);
    world.clock.advance(Duration::from_millis(1_500));
    held.end();
    world.until(v.message.0, Sent).await;
    world.clock.advance(Duration::from_secs(60));
    world.report(40, PHONE, 0, 10).await;
    world.until(v.message.0, Delivered).await;
    let at = "INFO smsotpd::gateway::log:";
    let of = format!("message_id=ID verification_id={}", v.id);
    let to = v.to.masked();
    assert_eq!(
        lines.of(v.message.0),
        [
            format!("{at} issued a code of the service default to {to} {of} service=\"default\""),
            format!("{at} sent to {to} through m0 after 1.5 s {of} modem=\"m0\""),
            format!("{at} delivered to {to}, 10.5 s after it was sent {of} modem=\"m0\""),
        ]
    );
    assert!(!String::from_utf8_lossy(&locked(&lines.0)).contains(&code));
}

#[tokio::test]
async fn a_message_that_does_not_arrive_says_why() {
    let (lines, _guard) = Lines::kept();
    let mut world = World::new(1).await;
    for class in [FaultClass::Transient, FaultClass::Recipient] {
        let error = Fault { class, text: "+CMS ERROR".to_owned() };
        let plan = Plan::End(Outcome::Rejected { references: vec![], error });
        locked(&world.modems[0].plan).push_back(plan);
    }
    let m = world.send(PHONE).await;
    world.aired().await;
    world.at_rest().await;
    world.clock.advance(Duration::from_secs(30));
    world.until(m, Failed).await;
    let to = "+41".to_owned() + &PHONE.parse::<crate::phone::PhoneNumber>().unwrap().masked()[3..];
    assert_eq!(
        lines.of(m),
        [
            format!("INFO smsotpd::gateway::log: accepted a text to {to} message_id=ID"),
            format!(
                "INFO smsotpd::gateway::log: send 1 to {to} through m0 did not succeed, and it goes out again: \
                 +CMS ERROR message_id=ID modem=\"m0\""
            ),
            format!(
                "WARN smsotpd::gateway::log: failed for good, to {to}, with send 2: +CMS ERROR message_id=ID \
                 modem=\"m0\""
            ),
        ]
    );

    world.modems[0].readiness.send_replace(Readiness::default());
    let short = SendRequest { valid_for: Some(Duration::from_secs(60)), ..text(PHONE, "soon") };
    let (m, _) = world.gateway.send(&Caller::default(), short).await.unwrap();
    world.at_rest().await;
    world.clock.advance(Duration::from_secs(61));
    world.until(m.id, Expired).await;
    let said = lines.of(m.id);
    let last = "its time ran out before a modem could send it message_id=ID";
    assert_eq!(said[1], format!("WARN smsotpd::gateway::log: not sent to {to}: {last}"), "{said:?}");
}
