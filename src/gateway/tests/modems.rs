//! What is told of a modem: its last fault with the time, and what went wrong on its port.

use super::*;
use crate::clock::Clock;

#[tokio::test]
async fn the_last_fault_has_its_time() {
    let world = World::new(1).await;
    let view = || world.gateway.modem("m0").unwrap();
    assert_eq!((view().facts.last_error, view().last_error_at), (None, None));

    let minute = Duration::from_secs(60);
    let seen = Clock::system().monotonic();
    {
        let mut facts = locked(&world.modems[0].facts);
        facts.last_error = Some("the modem looks for a network".to_owned());
        facts.last_error_at = Some(seen);
    }
    // Between its being seen and the question less than a minute passed.
    let first = view().last_error_at.unwrap();
    assert!(first <= START && START.since(first) < minute, "{first}");
    assert_eq!(view().last_error_at, Some(first), "it is told the same way again");
    // The wall clock was set: the same moment has another name.
    world.clock.advance(minute * 60);
    let renamed = view().last_error_at.unwrap();
    assert!(renamed.since(first) > minute * 59, "{renamed}");

    locked(&world.modems[0].facts).last_error = None;
    assert_eq!(view().last_error_at, None, "a time without a fault says nothing");
}

#[tokio::test]
async fn what_went_wrong_on_a_port_is_counted() {
    let world = World::new(2).await;
    let names = ["dropped_lines", "late_lines", "resyncs", "reopens", "restarts", "lost_notices"];
    for name in names {
        let family = format!(
            "# TYPE smsotp_modem_{name}_total counter\nsmsotp_modem_{name}_total{{modem=\"m0\"}} 0\n"
        );
        assert!(world.gateway.metrics().contains(&family), "{family}");
    }
    let counters =
        Counters { dropped_lines: 1, late_lines: 2, resyncs: 3, reopens: 4, restarts: 5, lost_notices: 6 };
    locked(&world.modems[1].facts).counters = counters;
    assert_eq!(world.gateway.modem("m1").unwrap().facts.counters, counters);
    let metrics = world.gateway.metrics();
    for (name, count) in names.iter().zip(1..) {
        let sample = format!("smsotp_modem_{name}_total{{modem=\"m1\"}} {count}\n");
        assert!(metrics.contains(&sample), "{sample}{metrics}");
    }
}
