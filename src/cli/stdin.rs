//! Arguments that are given on stdin, so that no list of processes shows them.

use std::io::{BufRead, Read as _};

use super::exit::{Exit, Failure};

/// The longest line that is an argument, in octets.
const LONGEST: u64 = 4096;

/// An argument; `-` is the next line of stdin.
pub(super) fn given(argument: String) -> Result<String, Failure> {
    if argument == "-" { line(&mut std::io::stdin().lock()) } else { Ok(argument) }
}

fn line(input: &mut impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    input
        .take(LONGEST)
        .read_line(&mut line)
        .map_err(|e| Failure::new(Exit::Usage, format!("cannot read a line from stdin: {e}")))?;
    match line.trim_end_matches(['\r', '\n', '\0']) {
        "" => Err(Failure::new(Exit::Usage, "stdin has no line for the -")),
        line => Ok(line.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_one_argument() {
        let mut input = &b"+41791234567\r\n123456\0\n\n"[..];
        assert_eq!(line(&mut input).unwrap(), "+41791234567");
        assert_eq!(line(&mut input).unwrap(), "123456");
        for _ in 0..2 {
            assert_eq!(line(&mut input).err().unwrap().exit, Exit::Usage);
        }
        assert_eq!(given("x".to_owned()).unwrap(), "x");
        assert_eq!(line(&mut &b"\xff\n"[..]).err().unwrap().exit, Exit::Usage);
    }
}
