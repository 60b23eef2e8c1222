//! The storage for new messages (3GPP TS 27.005 clause 3.2.2): the same for mem1, mem2 and mem3 where the
//! modem allows that, so that a message that `+CMTI` names can be read at once. And the way in which the
//! modem reports new messages (clause 3.4.1).
//!
//! A modem that does not say which storages it has is listed all the same, and asked again at each listing.

use std::time::Duration;

use super::network::Network;
use super::script::{Answer, Run, Script, Turn};
use crate::at::{Command, Failure, ResultCode, storages};
use crate::session::procedure::{Cx, Next};
use crate::session::storage::{Codes, Memories, storages_in_use};

/// The storages in which messages or reports may lie. `MT` is the other two together.
const LISTED: [&str; 3] = ["SM", "ME", "SR"];
/// Storages for new messages, in the order in which they are tried where neither the modem's family nor the modem
/// prefers one.
const USUAL: [&str; 3] = ["SM", "ME", "MT"];

/// The fourth stage.
#[derive(Debug, Default)]
pub(in crate::session) struct Storages {
    in_use: Vec<String>,
    offered: Vec<Vec<String>>,
    candidates: Vec<Vec<String>>,
    /// The modem refused a way to report new messages because a storage was full.
    full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Step {
    InUse,
    Offered,
    Use(usize),
    Codes(usize),
}

impl Script for Storages {
    type Step = Step;
    const FIRST: Step = Step::InUse;

    fn ask(&mut self, step: Step, cx: &mut Cx<'_>) -> Option<(Command, Duration)> {
        let command = match step {
            Step::InUse => {
                cx.known.storage.begins(cx.now);
                Command::StoragesInUse
            }
            Step::Offered => Command::Storages,
            Step::Use(at) => Command::UseStorages(self.candidates.get(at)?.clone()),
            Step::Codes(at) => {
                Command::NewMessages(cx.known.profile.receiving.new_messages.get(at).copied()?)
            }
        };
        Some((command, cx.known.settings.timing.command))
    }

    fn heard(&mut self, step: Step, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        match step {
            Step::InUse => {
                self.in_use = storages_in_use(answer.body());
                if !self.in_use.is_empty() {
                    return Turn::Go(Step::Offered);
                }
                if answer.is_busy() { Turn::Again } else { Turn::Go(Step::Codes(0)) }
            }
            Step::Offered => {
                self.offered = storages(answer.body());
                self.candidates = self.candidates(&cx.known.profile.receiving.storage);
                if self.candidates.first().is_none_or(|wanted| *wanted == self.in_use) {
                    return self.chosen(None, cx);
                }
                Turn::Go(Step::Use(0))
            }
            Step::Use(at) if answer.is_ok() => self.chosen(Some(at), cx),
            Step::Use(_) if answer.is_busy() => Turn::Again,
            Step::Use(at) => Turn::Go(Step::Use(at + 1)),
            Step::Codes(_) if answer.is_ok() => {
                cx.known.storage.codes = Codes::Told;
                to_the_network()
            }
            Step::Codes(_) if answer.is_busy() => Turn::Again,
            Step::Codes(at) => {
                let number = Failure::number(&answer.code);
                self.full |= matches!(answer.code, ResultCode::Cms(_)) && number == Some(322);
                Turn::Go(Step::Codes(at + 1))
            }
        }
    }

    fn skipped(&mut self, step: Step, cx: &mut Cx<'_>) -> Turn<Step> {
        if let Step::Use(_) = step {
            return self.chosen(None, cx);
        }
        // The modem is asked again when there is room, or later.
        cx.known.storage.codes = if self.full { Codes::WaitForRoom } else { Codes::Refused { at: cx.now } };
        to_the_network()
    }
}

fn to_the_network() -> Turn<Step> {
    Turn::End(Next::then(Run::new(Network::default())))
}

impl Storages {
    /// The modem accepted these storages; `None` leaves them as they were.
    fn chosen(&mut self, at: Option<usize>, cx: &mut Cx<'_>) -> Turn<Step> {
        let chosen = at.and_then(|at| self.candidates.get(at));
        let names = chosen.unwrap_or(&self.in_use);
        let mut known: Vec<String> = Vec::new();
        let mut add = |name: &String| {
            if !known.contains(name) {
                known.push(name.clone());
            }
        };
        // mem3 holds what arrives; where only mem1 was chosen, mem3 is unchanged.
        let new = names.get(2).or_else(|| self.in_use.get(2)).or_else(|| names.first());
        new.into_iter().for_each(&mut add);
        let readable = self.offered.first().filter(|list| !list.is_empty()).unwrap_or(&self.in_use);
        // What arrives where nothing can be read also lies in both storages together.
        let both = new.is_some_and(|new| !readable.contains(new));
        let listed = |name: &&String| LISTED.contains(&name.as_str()) || both && *name == "MT";
        readable.iter().filter(listed).for_each(add);
        let others = [1, 2].iter().filter_map(|&at| names.get(at).or_else(|| self.in_use.get(at)));
        let others = others.cloned().collect();
        cx.known.storage.memories = Memories::chosen(known, names.first().cloned(), others);
        Turn::Go(Step::Codes(0))
    }

    fn candidates(&self, preferred: &[String]) -> Vec<Vec<String>> {
        let now = self.in_use.get(2).or_else(|| self.in_use.first()).map(String::as_str);
        let now = now.filter(|name| USUAL.contains(name));
        let mut names: Vec<&str> = Vec::new();
        for name in preferred.iter().map(String::as_str).chain(now).chain(USUAL) {
            let offered = |list: Option<&Vec<String>>| {
                list.is_none_or(|list| list.is_empty() || list.iter().any(|known| known == name))
            };
            let good = offered(self.offered.first()) && offered(self.offered.last());
            if good && !names.contains(&name) {
                names.push(name);
            }
        }
        // Some modems have fewer than three, Wavecom's Q2 only one.
        let count = if self.offered.is_empty() { 3 } else { self.offered.len().min(3) };
        let mut candidates: Vec<_> = names.iter().map(|name| vec![(*name).to_owned(); count]).collect();
        if count > 1 {
            candidates.extend(names.first().map(|name| vec![(*name).to_owned()]));
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::Storages;

    fn candidates(in_use: &str, offered: &[&str], preferred: &[&str]) -> Vec<String> {
        let list = |names: &str| names.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let choice = Storages {
            in_use: list(in_use),
            offered: offered.iter().map(|names| list(names)).collect(),
            ..Storages::default()
        };
        choice
            .candidates(&preferred.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
            .iter()
            .map(|names| names.join(" "))
            .collect()
    }

    #[test]
    fn what_is_tried_in_which_order() {
        let all = ["SM ME SR", "SM ME", "SM ME"];
        assert_eq!(candidates("SM SM SM", &all, &[]), ["SM SM SM", "ME ME ME", "SM"]);
        assert_eq!(candidates("SM SM ME", &all, &[])[0], "ME ME ME");
        assert_eq!(candidates("ME ME ME", &all, &["SM"])[0], "SM SM SM");
        assert_eq!(candidates("ME ME ME", &["ME", "ME", "ME"], &["SM"]), ["ME ME ME", "ME"]);
        assert_eq!(candidates("SM SM", &["SM BM SR", "SM"], &[]), ["SM SM", "SM"]);
        assert_eq!(candidates("BM BM BM", &[], &[])[0], "SM SM SM");
        assert_eq!(candidates("SM SM SM", &["", "", ""], &[]).len(), 4);
        assert_eq!(candidates("SR SR SR", &["SR", "SR", "SR"], &[]), Vec::<String>::new());
    }
}
