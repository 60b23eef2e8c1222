//! Any sequence of parts and jumps of time: bounds hold, and nothing is lost or made up.

use std::time::Duration;

use arbitrary::{Arbitrary as _, Unstructured};
use gsm_sms::{Arrival, Concatenation, Fragment, Limits, Reassembler, Reference};

/// One input.
pub fn run(octets: &[u8]) {
    let Ok(steps) = <Vec<(u8, u8, u8, u8, u8)>>::arbitrary_take_rest(Unstructured::new(octets)) else {
        return;
    };
    let limits = Limits { timeout: Duration::from_secs(300), messages: 6, parts: 20 };
    let mut parts = Reassembler::new(limits);
    let mut now = Duration::ZERO;
    let (mut taken, mut given) = (0, 0);
    for (jump, from, reference, total, sequence) in steps {
        now += Duration::from_secs(jump.into());
        let number = reference & 0x03;
        let reference =
            if reference & 4 == 0 { Reference::Eight(number) } else { Reference::Sixteen(number.into()) };
        let concatenation = Concatenation { reference, total: total & 0x0f, sequence: sequence & 0x0f };
        let originator = if from & 1 == 0 { "+1" } else { "+2" };
        let fragment = Fragment::Octets(vec![from >> 4]);
        let (arrival, gave_way) = parts.accept_part(now, originator, concatenation, fragment);
        given += gave_way.iter().map(|message| message.parts.len()).sum::<usize>();
        match arrival {
            Arrival::Complete(message) => {
                taken += 1;
                given += message.part_count();
            }
            Arrival::Waiting { have, total } => {
                taken += 1;
                assert!(have < usize::from(total));
            }
            Arrival::Duplicate => {}
        }
        let held: usize = parts.pending().iter().map(|message| message.parts.len()).sum();
        assert!(parts.pending().len() <= limits.messages && held <= limits.parts);
        assert_eq!(taken, given + held);
        let again = Reassembler::with_pending(limits, parts.pending().to_vec());
        assert_eq!(again, parts);
    }
}
