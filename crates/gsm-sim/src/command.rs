//! A command line as a modem reads it: ITU-T V.250 clauses 5.2 to 5.4. The parser is written by hand and
//! shares no code with the daemon's codec, so that it shares none of the codec's faults.

/// One command of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The command as it was written, without `AT`: `+CMGF=0`, `E0`.
    pub(super) text: String,
    /// The command's name in capitals: `+CMGF`, `E`, `&F`.
    pub(super) name: String,
    /// Whether the command is executed, read, tested or set.
    pub(super) form: Form,
}

/// V.250 clauses 5.4.3 and 5.4.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// `+NAME` or `E`.
    Execute,
    /// `+NAME?`.
    Read,
    /// `+NAME=?`.
    Test,
    /// `+NAME=…` or `E0`: the values, without their quotes.
    Set(Vec<String>),
}

impl Command {
    /// The value at `place` as a number. A missing or empty value is `None`, a value that is not a number is `Err`.
    pub(super) fn number(&self, place: usize) -> Result<Option<u32>, ()> {
        match &self.form {
            Form::Set(values) => match values.get(place).map(String::as_str) {
                None | Some("") => Ok(None),
                Some(text) => text.parse().map(Some).map_err(|_| ()),
            },
            _ => Ok(None),
        }
    }
}

/// The commands of a line, or nothing when the line does not hold `AT`: the octets before the first `AT` are
/// noise (V.250 clause 5.2.1: the prefix is what wakes the modem). `AT` alone gives an empty list.
pub(super) fn commands(line: &[u8]) -> Option<Vec<Command>> {
    let start = line.windows(2).position(|w| w.eq_ignore_ascii_case(b"AT"))?;
    let text = String::from_utf8_lossy(&line[start + 2..]);
    let mut rest = text.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (command, after) = if rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '&') {
            basic(rest)
        } else {
            extended(rest)
        };
        found.push(command);
        rest = after.trim_start_matches([';', ' ']);
    }
    Some(found)
}

/// V.250 clause 5.3.1: a letter, or `&` and a letter, and a number. `D` takes the rest of the line.
fn basic(text: &str) -> (Command, &str) {
    let letters = if text.starts_with('&') { text.len().min(2) } else { 1 };
    // Any character may follow `&`: the text is never cut inside a character.
    let letters = if text.is_char_boundary(letters) { letters } else { 1 };
    let name = text[..letters].to_ascii_uppercase();
    let tail = &text[letters..];
    let end = match name.as_str() {
        "D" => tail.len(),
        "S" => tail.find(|c: char| !c.is_ascii_digit() && c != '=' && c != '?').unwrap_or(tail.len()),
        _ => tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len()),
    };
    let (value, after) = tail.split_at(end);
    let form = if value.is_empty() { Form::Execute } else { Form::Set(vec![value.to_owned()]) };
    (Command { text: text[..letters + end].to_owned(), name, form }, after)
}

/// V.250 clause 5.4: the command goes up to a semicolon outside quotes.
fn extended(text: &str) -> (Command, &str) {
    let end = outside_quotes(text, ';').unwrap_or(text.len());
    let (whole, after) = text.split_at(end);
    let whole = whole.trim_end();
    let (name, form) = if let Some(name) = whole.strip_suffix("=?") {
        (name, Form::Test)
    } else if let Some((name, values)) = whole.split_once('=') {
        (name, Form::Set(split_values(values)))
    } else if let Some(name) = whole.strip_suffix('?') {
        (name, Form::Read)
    } else {
        (whole, Form::Execute)
    };
    (Command { text: whole.to_owned(), name: name.to_ascii_uppercase(), form }, after)
}

fn split_values(text: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let end = outside_quotes(rest, ',').unwrap_or(rest.len());
        values.push(rest[..end].trim().trim_matches('"').to_owned());
        match rest.get(end + 1..) {
            Some(more) => rest = more,
            None => return values,
        }
    }
}

fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (c == wanted && !quoted).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        commands(line.as_bytes()).unwrap().into_iter().map(|c| c.name).collect()
    }

    fn set(values: &[&str]) -> Form {
        Form::Set(values.iter().map(|v| (*v).to_owned()).collect())
    }

    #[test]
    fn lines_of_several_commands() {
        assert_eq!(names("AT"), Vec::<String>::new());
        assert_eq!(names("ATE0V1&F+CMEE=1;+CREG=2"), ["E", "V", "&F", "+CMEE", "+CREG"]);
        assert_eq!(names("ATE0+CPMS?"), ["E", "+CPMS"]);
        assert_eq!(names("at^curc=0"), ["^CURC"]);
        assert_eq!(names("\u{1b}AT&"), ["&"]);
        assert_eq!(names("AT&é"), ["&", "é"]);
        assert_eq!(names("ATD*99#;E0"), ["D"]);
        assert_eq!(names("ATS3=13E1"), ["S", "E"]);
        assert_eq!(commands(b"hello"), None);
        assert_eq!(commands(b""), None);
    }

    #[test]
    fn values_lose_their_quotes_and_keep_what_stands_inside() {
        let line = commands(br#"AT+CUSD=1,"*100#;,",15;+CMGF?"#).unwrap();
        assert_eq!(line[0].form, set(&["1", "*100#;,", "15"]));
        assert_eq!(line[0].number(0), Ok(Some(1)));
        assert_eq!(line[0].number(1), Err(()));
        assert_eq!(line[0].number(9), Ok(None));
        assert_eq!(line[1].form, Form::Read);
        assert_eq!(commands(b"AT+CNMI=?").unwrap()[0].form, Form::Test);
        assert_eq!(commands(b"AT+CMGD=1,").unwrap()[0].form, set(&["1", ""]));
        assert_eq!(commands(b"AT+CPIN?").unwrap()[0].text, "+CPIN?");
    }
}
