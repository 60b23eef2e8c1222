//! The message commands of 3GPP TS 27.005: settings, memories, and the start of a submission.

use super::answers::{Refusal, Reply};
use super::command::{Command, Form};
use super::modem::{Draft, Modem};

impl Modem {
    /// Clauses 3 and 4.
    pub(super) fn message(&mut self, command: &Command) -> Option<Reply> {
        let name = command.name.as_str();
        let asks_card = matches!(name, "+CMGS" | "+CMGL" | "+CMGR" | "+CMGD" | "+CSCA" | "+CPMS");
        if let (true, Some(refusal)) = (asks_card, self.message_refusal()) {
            return Some(refusal.into());
        }
        Some(match name {
            "+CMGF" => self.format(command),
            "+CSMS" => self.service(command),
            "+CSCA" => self.service_centre(command),
            "+CSMP" => self.parameters(command),
            "+CNMI" => self.indications(command),
            "+CPMS" => self.preferred_memories(command),
            "+CMMS" => self.more_messages(command),
            "+CSDH" | "+CSCB" => Reply::done(),
            "+CNMA" if self.unacknowledged => {
                self.unacknowledged = false;
                Reply::done()
            }
            "+CNMA" => Refusal::Cms(340).into(),
            "+CMGS" => self.send(command),
            "+CMGL" => self.list(command),
            "+CMGR" => self.read(command),
            "+CMGD" => self.delete(command),
            _ => return None,
        })
    }

    fn format(&mut self, command: &Command) -> Reply {
        let (pdu_mode, text_mode) = (self.script.sending.pdu_mode, self.script.sending.text_mode);
        match (&command.form, command.number(0)) {
            (Form::Read, _) => Reply::line(format!("+CMGF: {}", u8::from(self.settings.text_mode))),
            (Form::Test, _) => Reply::line(match (pdu_mode, text_mode) {
                (true, true) => "+CMGF: (0,1)",
                (false, _) => "+CMGF: (1)",
                (true, false) => "+CMGF: (0)",
            }),
            (_, Ok(Some(0) | None)) if pdu_mode => {
                self.settings.text_mode = false;
                Reply::done()
            }
            (_, Ok(Some(1))) if text_mode => {
                self.settings.text_mode = true;
                Reply::done()
            }
            _ => Refusal::Error.into(),
        }
    }

    fn service(&mut self, command: &Command) -> Reply {
        match (&command.form, command.number(0)) {
            (Form::Read, _) => Reply::line(format!("+CSMS: {},1,1,1", self.settings.service)),
            (Form::Test, _) => Reply::line("+CSMS: (0,1)"),
            (Form::Set(_), Ok(Some(service @ 0..=1))) => {
                self.settings.service = service;
                Reply::line("+CSMS: 1,1,1")
            }
            _ => Refusal::Cms(302).into(),
        }
    }

    fn service_centre(&mut self, command: &Command) -> Reply {
        match &command.form {
            Form::Read => {
                let kind = if self.smsc.starts_with('+') { 145 } else { 129 };
                Reply::line(format!("+CSCA: \"{}\",{kind}", self.smsc))
            }
            Form::Set(values) => {
                let number = values.first().map_or("", String::as_str);
                let international = values.get(1).is_some_and(|kind| kind == "145");
                let plus = if international && !number.starts_with('+') { "+" } else { "" };
                self.smsc = format!("{plus}{number}");
                Reply::done()
            }
            Form::Test => Reply::done(),
            Form::Execute => Refusal::Error.into(),
        }
    }

    fn parameters(&mut self, command: &Command) -> Reply {
        match &command.form {
            Form::Read => Reply::line(format!("+CSMP: {}", self.settings.parameters)),
            Form::Set(values) => {
                self.settings.parameters = values.join(",");
                if self.script.sending.csmp_clears_smsc {
                    self.smsc.clear();
                }
                Reply::done()
            }
            Form::Test => Reply::done(),
            Form::Execute => Refusal::Error.into(),
        }
    }

    /// Clause 3.4.1. Values left out stay as they are.
    fn indications(&mut self, command: &Command) -> Reply {
        let sending = &self.script.sending;
        match &command.form {
            Form::Read => {
                let values: Vec<_> = self.settings.cnmi.iter().map(u8::to_string).collect();
                Reply::line(format!("+CNMI: {}", values.join(",")))
            }
            Form::Test => {
                let lists: Vec<_> = sending
                    .cnmi
                    .iter()
                    .map(|values| {
                        let values: Vec<_> = values.iter().map(u8::to_string).collect();
                        format!("({})", values.join(","))
                    })
                    .collect();
                Reply::line(format!("+CNMI: {}", lists.join(",")))
            }
            Form::Set(values) => {
                let mut wanted = self.settings.cnmi;
                let text = values.join(",");
                let refused = sending.cnmi_refused.iter().any(|refused| match refused.strip_suffix('*') {
                    Some(head) => text.starts_with(head),
                    None => text == *refused,
                });
                if values.len() > wanted.len() || refused {
                    return Refusal::Cms(303).into();
                }
                for (place, value) in values.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
                    match value.parse() {
                        Ok(value) if sending.cnmi[place].contains(&value) => wanted[place] = value,
                        _ => return Refusal::Cms(303).into(),
                    }
                }
                self.settings.cnmi = wanted;
                Reply::done()
            }
            Form::Execute => Refusal::Error.into(),
        }
    }

    /// Clause 3.2.2.
    fn preferred_memories(&mut self, command: &Command) -> Reply {
        let capacity = self.memories.capacity;
        let counts = |modem: &Self, named: bool| {
            let fields = modem.settings.memories.iter().map(|memory| {
                let used = modem.memories.used(memory);
                if named { format!("\"{memory}\",{used},{capacity}") } else { format!("{used},{capacity}") }
            });
            Reply::line(format!("+CPMS: {}", fields.collect::<Vec<_>>().join(",")))
        };
        match &command.form {
            Form::Read => counts(self, true),
            Form::Test => Reply::line(format!(
                "+CPMS: {}",
                self.script.storage.test.clone().unwrap_or_else(|| {
                    let names: Vec<_> =
                        self.script.storage.memories.iter().map(|name| format!("\"{name}\"")).collect();
                    vec![format!("({})", names.join(",")); 3].join(",")
                })
            )),
            Form::Set(values) if (1..=3).contains(&values.len()) => {
                if !values.iter().all(|memory| self.memories.knows(memory)) {
                    return Refusal::Cms(302).into();
                }
                for (place, memory) in values.iter().enumerate() {
                    self.settings.memories[place].clone_from(memory);
                }
                counts(self, false)
            }
            _ => Refusal::Error.into(),
        }
    }

    fn more_messages(&mut self, command: &Command) -> Reply {
        match (&command.form, command.number(0)) {
            (Form::Read, _) => Reply::line(format!("+CMMS: {}", self.settings.more)),
            (Form::Test, _) => Reply::line("+CMMS: (0-2)"),
            (Form::Set(_), Ok(Some(more @ 0..=2))) => {
                self.settings.more = more;
                Reply::done()
            }
            _ => Refusal::Cms(302).into(),
        }
    }

    /// Clauses 3.5.1 and 4.3.
    fn send(&self, command: &Command) -> Reply {
        let value = match &command.form {
            Form::Test => return Reply::done(),
            Form::Set(values) => values.first().map_or("", String::as_str),
            _ => return Refusal::Error.into(),
        };
        if self.settings.text_mode {
            return match value {
                "" => Refusal::Cms(305).into(),
                // `<toda>` says whether a `+` leads, also when the digits are UCS-2.
                number if command.number(1) == Ok(Some(129)) && number.starts_with(['+', '0']) => {
                    Refusal::Cms(305).into()
                }
                number => Reply::Prompt(Draft::Text(number.to_owned())),
            };
        }
        // TP-UDL is at most 140, and the fields of a SUBMIT may stand before it.
        match value.parse() {
            Ok(length @ 7..=164) => Reply::Prompt(Draft::Pdu(length)),
            _ => Refusal::Cms(304).into(),
        }
    }

    /// Clauses 3.4.2 and 4.1.
    fn list(&mut self, command: &Command) -> Reply {
        let text_mode = self.settings.text_mode;
        let wanted = match (&command.form, command.number(0)) {
            (Form::Test, _) => return Reply::line("+CMGL: (0-4)"),
            // Lists of a single state are not simulated.
            (Form::Set(values), _) if text_mode && values == &["ALL"] => 4,
            (_, Ok(wanted @ (None | Some(0..=4)))) if !text_mode => wanted.unwrap_or(0),
            _ => return Refusal::Cms(303).into(),
        };
        let memory = self.settings.memories[0].clone();
        let mut places = Vec::new();
        for (place, stored) in self.memories.all(&memory) {
            if wanted == 4 || u32::from(stored.status) == wanted {
                places.push(place);
            }
        }
        let mut lines = Vec::new();
        for place in places {
            let mut shown = self.stored_lines(&memory, place);
            if let Some(header) = shown.first_mut() {
                *header = format!("+CMGL: {place},{header}");
            }
            lines.extend(shown);
        }
        Reply::Lines(lines)
    }

    /// The line before a message, and the message. The message counts as read from now on.
    fn stored_lines(&mut self, memory: &str, place: u32) -> Vec<String> {
        let Some(stored) = self.memories.at(memory, place).cloned() else { return Vec::new() };
        if let Some(read) = self.memories.at(memory, place).filter(|read| read.status == 0) {
            read.status = 1;
        }
        if self.settings.text_mode {
            return self.shown(&stored);
        }
        vec![format!("{},,{}", stored.status, stored.pdu.length()), stored.pdu.hex()]
    }

    /// Clauses 3.4.3 and 4.2. An empty place is answered with `OK` alone, as by most modems.
    fn read(&mut self, command: &Command) -> Reply {
        let place = match (&command.form, command.number(0)) {
            (Form::Set(_), Ok(Some(place))) => place,
            (Form::Test, _) => return Reply::done(),
            _ => return Refusal::Cms(303).into(),
        };
        if !self.memories.may_hold(place) {
            return Refusal::Cms(321).into();
        }
        let memory = self.settings.memories[0].clone();
        let mut lines = self.stored_lines(&memory, place);
        if let Some(header) = lines.first_mut() {
            *header = format!("+CMGR: {header}");
        }
        Reply::Lines(lines)
    }

    /// Clause 3.5.4.
    fn delete(&mut self, command: &Command) -> Reply {
        match (command.number(0), command.number(1)) {
            (Ok(Some(place)), Ok(flag)) => {
                let flag = flag.unwrap_or(0);
                if flag > 4 || (flag == 0 && !self.memories.may_hold(place)) {
                    return Refusal::Cms(321).into();
                }
                let memory = self.settings.memories[0].clone();
                self.memories.delete(&memory, place, flag);
                Reply::done()
            }
            _ if command.form == Form::Test => {
                Reply::line(format!("+CMGD: (1-{}),(0-4)", self.memories.capacity))
            }
            _ => Refusal::Cms(321).into(),
        }
    }
}
