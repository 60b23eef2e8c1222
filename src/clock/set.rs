//! The kernel tells when somebody sets the wall clock: a timer that is never due, and that ends when this happens
//! (`TFD_TIMER_CANCEL_ON_SET`). The same ends it when the machine wakes from a sleep, through which timers slept too.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// A timer that is never due.
#[derive(Debug)]
pub(super) struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let (never, once) = (Timespec { tv_sec: i64::MAX, tv_nsec: 0 }, Timespec { tv_sec: 0, tv_nsec: 0 });
        let spec = Itimerspec { it_interval: once, it_value: never };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &spec)?;
        #[allow(deprecated, reason = "its successor needs unsafe; an OwnedFd keeps its descriptor")]
        AsyncFd::new(timer).map(Self)
    }

    /// Completes when the clock was set since the last time that this completed.
    pub(super) async fn next(&mut self) {
        loop {
            let Ok(mut guard) = self.0.readable().await else { return std::future::pending().await };
            match rustix::io::read(self.0.get_ref(), &mut [0_u8; 8]) {
                Err(Errno::CANCELED) => return,
                _ => guard.clear_ready(),
            }
        }
    }
}
