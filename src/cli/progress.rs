//! How far long work has come: a line on the terminal of stderr, and nothing where there is no terminal.

use std::io::Read;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Octets, shown with their rate.
    Octets,
    /// Things of which each takes about as long.
    Things,
}

/// Shows `what` with how much of `total` is done, while a person looks on: `wanted` is false where JSON is wanted. Nothing
/// is in colour. Whoever makes it clears it at the end.
pub(super) fn progress(wanted: bool, what: &'static str, unit: Unit, total: Option<u64>) -> ProgressBar {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    // The target of stderr draws nothing when stderr is no terminal.
    let target = if wanted && !dumb { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let template = match (unit, total) {
        (Unit::Octets, Some(_)) => {
            "{prefix} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left {wide_msg}"
        }
        (Unit::Octets, None) => "{prefix} {bytes}, {bytes_per_sec} {wide_msg}",
        (Unit::Things, _) => "{prefix} [{bar:30}] {pos} of {len}, {eta} left {wide_msg}",
    };
    let style = ProgressStyle::with_template(template).map(|style| style.progress_chars("=> "));
    ProgressBar::with_draw_target(total, target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(what)
}

/// A reader that moves a bar on.
pub(super) struct Counted<'b, R> {
    /// What is read.
    pub(super) inner: R,
    /// What shows how much of it was.
    pub(super) bar: &'b ProgressBar,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, octets: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(octets)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_understood() {
        for (unit, total) in [(Unit::Octets, Some(1)), (Unit::Octets, None), (Unit::Things, Some(1))] {
            let bar = progress(false, "x", unit, total);
            assert!(bar.is_hidden());
            assert_eq!(bar.length(), total);
        }
    }

    #[test]
    fn what_is_read_is_counted() {
        let bar = progress(false, "x", Unit::Octets, Some(5));
        let mut all = Vec::new();
        Counted { inner: &b"12345"[..], bar: &bar }.read_to_end(&mut all).unwrap();
        assert_eq!((all.as_slice(), bar.position()), (&b"12345"[..], 5));
    }
}
