//! What rows come to before any is sent: parts, and what of the SIMs' allowances they take.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::rows::{Row, Rows};
use crate::api::wire;
use crate::cli::output::{Format, table};

/// What rows come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Plan {
    messages: usize,
    numbers: usize,
    /// Short messages of all.
    pub(super) parts: u64,
    /// How many messages take UCS-2.
    ucs2: usize,
    /// How many messages take so many parts.
    by_parts: BTreeMap<u64, usize>,
    /// The rows that are no messages.
    bad: Vec<Fault>,
    /// What the SIMs have left, when that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    sims: Option<Sims>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Fault {
    line: u64,
    why: String,
}

/// What the SIMs have left for these messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Sims {
    /// Messages to numbers that no modem may serve.
    unserved: usize,
    /// Parts that all modems which serve any of them may send today; left out when one of them has no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_today: Option<u64>,
    modems: Vec<Sim>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Sim {
    name: String,
    state: String,
    /// Messages to numbers that it may serve.
    serves: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_today: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_this_month: Option<u32>,
}

impl Plan {
    /// What the rows come to, and with `modems` what those have left; `only` one of them may be meant.
    pub(super) fn of(rows: &Rows, modems: Option<&[wire::Modem]>, only: Option<&str>) -> Self {
        let mut by_parts = BTreeMap::new();
        for row in &rows.good {
            *by_parts.entry(row.parts).or_default() += 1;
        }
        Self {
            messages: rows.good.len(),
            numbers: rows.good.iter().map(|row| &row.to).collect::<BTreeSet<_>>().len(),
            parts: rows.good.iter().map(|row| row.parts).sum(),
            ucs2: rows.good.iter().filter(|row| row.ucs2).count(),
            by_parts,
            bad: rows.bad.iter().map(|bad| Fault { line: bad.line, why: bad.why.clone() }).collect(),
            sims: modems.map(|modems| {
                let meant = |m: &&wire::Modem| only.is_none_or(|only| m.name == only);
                Sims::of(&rows.good, &modems.iter().filter(meant).collect::<Vec<_>>())
            }),
        }
    }

    /// For a person.
    pub(super) fn show(&self, format: Format) -> String {
        let mut text = format!(
            "{} to {}: {}",
            many(self.messages as u64, "message"),
            many(self.numbers as u64, "number"),
            many(self.parts, "part")
        );
        if self.ucs2 > 0 {
            // Writing into a String cannot fail.
            let _ = write!(text, "; {} of 70 characters a part (UCS-2)", self.ucs2);
        }
        text.push('\n');
        if self.by_parts.keys().any(|parts| *parts > 1) {
            for (parts, count) in &self.by_parts {
                let _ = writeln!(text, "  {count} of {}", many(*parts, "part"));
            }
        }
        if let Some(sims) = &self.sims {
            text.push_str(&sims.show(self.parts, format));
        }
        text
    }
}

/// A count and what is counted.
pub(super) fn many(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

impl Sims {
    fn of(rows: &[Row], modems: &[&wire::Modem]) -> Self {
        let serves = |m: &wire::Modem, row: &&Row| {
            let routes = m.rules.as_ref().and_then(|rules| rules.routes.as_ref());
            routes
                .is_none_or(|routes| routes.iter().any(|prefix| row.to.as_str().starts_with(prefix.as_str())))
        };
        let sims = modems.iter().map(|m| Sim {
            name: m.name.clone(),
            state: m.state.clone(),
            serves: rows.iter().filter(|row| serves(m, row)).count(),
            left_today: m.text_parts_left_today,
            left_this_month: m.text_parts_left_this_month,
        });
        let sims: Vec<Sim> = sims.collect();
        let serving = sims.iter().filter(|sim| sim.serves > 0);
        Self {
            unserved: rows.iter().filter(|row| !modems.iter().any(|m| serves(m, row))).count(),
            left_today: serving.map(|sim| sim.today().map(u64::from)).sum(),
            modems: sims,
        }
    }

    fn show(&self, parts: u64, format: Format) -> String {
        let left = |left: Option<u32>| left.map_or_else(|| "no limit".to_owned(), |left| left.to_string());
        let head = ["MODEM", "STATE", "SERVES", "LEFT TODAY", "LEFT THIS MONTH"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.modems.iter().map(|sim| {
            let facts = [sim.name.clone(), sim.state.clone(), sim.serves.to_string()];
            facts.into_iter().chain([left(sim.left_today), left(sim.left_this_month)]).collect()
        }));
        let mut text = table(&rows, 1, format);
        if self.unserved > 0 {
            let _ =
                writeln!(text, "{} are to numbers that no modem may serve: they would wait", self.unserved);
        }
        match self.left_today {
            None => text.push_str("the SIMs have no limit for today\n"),
            Some(left) if left >= parts => {
                let _ = writeln!(text, "takes {parts} of the {left} parts that the SIMs may send today");
            }
            Some(left) => {
                let wait = parts - left;
                let _ = writeln!(text, "the SIMs may send {left} parts today: {wait} of {parts} would wait");
            }
        }
        text
    }
}

impl Sim {
    /// What it may send today: no more than in this month.
    fn today(&self) -> Option<u32> {
        [self.left_today, self.left_this_month].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bulk::rows::{Reading, read};
    use crate::cli::modem_view::tests::example;

    fn modem(name: &str, routes: Option<&[&str]>, today: Option<u32>, month: Option<u32>) -> wire::Modem {
        let routes = routes.map(|routes| routes.iter().map(ToString::to_string).collect());
        let rules = Some(wire::ModemRules { routes, ..wire::ModemRules::default() });
        wire::Modem {
            name: name.to_owned(),
            rules,
            text_parts_left_today: today,
            text_parts_left_this_month: month,
            ..example(name, "ready")
        }
    }

    fn rows() -> Rows {
        let long = "x".repeat(161);
        let text = format!("to,text\n+41791234567,x\n+41791234567,{long}\n+491701234567,я\nx,secret\n");
        read(text.as_bytes(), &Reading::default()).unwrap()
    }

    #[test]
    fn parts_are_told_first() {
        let plan = Plan::of(&rows(), None, None);
        assert_eq!(
            plan.show(Format::Plain),
            "3 messages to 2 numbers: 4 parts; 1 of 70 characters a part (UCS-2)\n  2 of 1 part\n  1 of 2 parts\n"
        );
        assert_eq!(plan.bad.len(), 1);
    }

    #[test]
    fn allowances_are_those_of_the_modems_that_serve_the_numbers() {
        let swiss = modem("swiss", Some(&["+41"]), Some(9), Some(2));
        let idle = modem("idle", Some(&["+33"]), None, None);
        let told = |modems: &[wire::Modem], only| Plan::of(&rows(), Some(modems), only).show(Format::Plain);
        let both = [swiss.clone(), idle];
        let text = told(&both, None);
        assert!(text.contains("swiss  ready  2       9           2\n"), "{text}");
        assert!(text.contains("1 are to numbers that no modem may serve"), "{text}");
        assert!(text.ends_with("the SIMs may send 2 parts today: 2 of 4 would wait\n"), "{text}");
        let any = modem("any", None, Some(7), None);
        let text = told(&[swiss.clone(), any.clone()], None);
        assert!(text.ends_with("takes 4 of the 9 parts that the SIMs may send today\n"), "{text}");
        let text = told(&[swiss, any], Some("any"));
        assert!(text.ends_with("takes 4 of the 7 parts that the SIMs may send today\n"), "{text}");
        assert!(told(&[modem("free", None, None, None)], None).ends_with("no limit for today\n"));
    }
}
