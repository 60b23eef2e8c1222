//! Which storage new messages go to, chosen while the modem is brought up (3GPP TS 27.005 clause 3.2.2): the same
//! for mem1, mem2 and mem3 where the modem lets us, so that what `+CMTI` names can be read without further ado.

use super::bring_up::Step;
use super::{Session, bring_up::Turn};
use crate::at::{Failure, ResultCode, storages, usages};

/// Storages in which messages or reports may lie. `MT` is the other two together.
const LISTED: [&str; 3] = ["SM", "ME", "SR"];
/// Storages for new messages, in the order they are tried where neither the modem's family nor the modem prefers one.
const USUAL: [&str; 3] = ["SM", "ME", "MT"];

#[derive(Debug, Default)]
pub(super) struct Choice {
    in_use: Vec<String>,
    offered: Vec<Vec<String>>,
    candidates: Vec<Vec<String>>,
}

impl Session {
    /// The names for `AT+CPMS` at this try.
    pub(super) fn storages_wanted(&self, at: usize) -> Option<Vec<String>> {
        self.progress.choice.candidates.get(at).cloned()
    }

    /// The SIM whose messages the storages hold.
    pub(super) fn card(&self) -> Option<String> {
        self.snapshot.iccid.clone().or_else(|| self.snapshot.imsi.clone())
    }

    pub(super) fn storages_in_use(&mut self, answer: &[String], code: &ResultCode) -> Turn {
        let known = usages(answer.last().map_or("", String::as_str));
        let in_use: Vec<_> = known.into_iter().filter_map(|usage| usage.storage).collect();
        if in_use.is_empty() {
            if Failure::is_busy(code) {
                return Turn::Busy(Step::NewMessages(0));
            }
            // A modem without storages: what it hands over itself is all there is.
            return Turn::Go(Step::NewMessages(0));
        }
        self.storage.current = in_use.first().cloned();
        self.progress.choice.in_use = in_use;
        Turn::Go(Step::Storages)
    }

    pub(super) fn storages_offered(&mut self, answer: &[String]) -> Turn {
        let choice = &mut self.progress.choice;
        choice.offered = storages(answer.last().map_or("", String::as_str));
        choice.candidates = choice.candidates(&self.profile.storage);
        let wanted = choice.candidates.first();
        if wanted.is_none_or(|wanted| *wanted == choice.in_use) {
            return self.storages_chosen(&[]);
        }
        Turn::Go(Step::UseStorages(0))
    }

    pub(super) fn storages_answered(&mut self, at: usize, code: &ResultCode) -> Turn {
        if code.is_ok() {
            let chosen = self.storages_wanted(at).unwrap_or_default();
            return self.storages_chosen(&chosen);
        }
        if Failure::is_busy(code) {
            return Turn::Busy(Step::UseStorages(at + 1));
        }
        if at + 1 < self.progress.choice.candidates.len() {
            return Turn::Go(Step::UseStorages(at + 1));
        }
        self.storages_chosen(&[])
    }

    /// These were taken; none: it stays as it was.
    fn storages_chosen(&mut self, chosen: &[String]) -> Turn {
        let choice = &self.progress.choice;
        let names = if chosen.is_empty() { choice.in_use.as_slice() } else { chosen };
        let mut known: Vec<String> = Vec::new();
        let mut add = |name: &String| {
            if !known.contains(name) {
                known.push(name.clone());
            }
        };
        // mem3 holds what arrives; where only mem1 was chosen, it is what it was.
        let new = names.get(2).or_else(|| choice.in_use.get(2)).or_else(|| names.first());
        new.into_iter().for_each(&mut add);
        let readable = choice.offered.first().unwrap_or(&choice.in_use);
        readable.iter().filter(|name| LISTED.contains(&name.as_str())).for_each(add);
        self.storage.current = names.first().cloned().or(self.storage.current.take());
        self.storage.known = known;
        Turn::Go(Step::NewMessages(0))
    }
}

impl Choice {
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
        // Some modems know fewer than three, Wavecom's Q2 only one.
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
    use super::Choice;

    fn candidates(in_use: &str, offered: &[&str], preferred: &[&str]) -> Vec<String> {
        let list = |names: &str| names.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let choice = Choice {
            in_use: list(in_use),
            offered: offered.iter().map(|names| list(names)).collect(),
            ..Choice::default()
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
