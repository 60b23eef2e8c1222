//! `OK` without a reference after a message: some modems end a failure so, and on others the OK belongs to an earlier
//! command.

use std::time::Duration;

use super::{Bench, Fake};
use crate::snapshot::Outcome;

#[test]
fn ok_alone_is_no_acceptance() {
    for result in ["\r\nOK\r\n", "\r\n+CMGS: \r\n\r\nOK\r\n", "\r\n+CMGS: 300\r\nOK\r\n"] {
        let mut modem = Fake::new();
        modem.result(result);
        let mut bench = Bench::ready(modem);
        bench.send();
        let written = bench.modem.heard.len();
        bench.pass(Duration::from_millis(2_900));
        assert!(bench.outcomes.is_empty(), "the result may come yet");
        assert_eq!(bench.modem.heard.len(), written, "nothing is written before");
        bench.pass(Duration::from_millis(200));
        assert!(matches!(bench.outcomes[..], [Outcome::Unknown { .. }]), "{:?}", bench.outcomes);
        bench.assert_works();
    }
}

#[test]
fn a_result_behind_ok_alone_counts() {
    for (then, expected) in [("\r\n+CMGS: 7\r\n\r\nOK\r\n", true), ("\r\n+CMS ERROR: 38\r\n", false)] {
        let mut modem = Fake::new();
        modem.result("\r\nOK\r\n");
        let mut bench = Bench::ready(modem);
        bench.send();
        bench.pass(Duration::from_secs(1));
        bench.say("\r\nOK\r\n");
        bench.pass(Duration::from_secs(1));
        bench.say(then);
        let accepted = match &bench.outcomes[..] {
            [Outcome::Accepted { references }] => references == &[7],
            [Outcome::Rejected { error, .. }] => error.code != Some(38),
            other => panic!("{other:?}"),
        };
        assert_eq!(accepted, expected);
        bench.assert_works();
    }
}
