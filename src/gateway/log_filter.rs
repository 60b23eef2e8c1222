//! What of the daemon's log is written, as the gateway needs it to show and change it for an operator.

/// The filter of the daemon's log.
pub trait LogFilter: Send + Sync {
    /// The one in force: a level, or a tracing filter.
    fn shown(&self) -> String;

    /// Another one from now on. The error says what is wrong with it, behind its name.
    fn set(&self, filter: &str) -> Result<(), String>;
}
