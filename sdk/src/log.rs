//! Lines for the people who run the job; kept with the task, whether it succeeds or not.
//!
//! `log::info!("hashed {count} files")`, and likewise `debug!`, `warn!` and `error!`.

pub use crate::bindings::latchwork::plugin::log::Level;
pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

/// Adds a line to the task's log.
pub fn write(level: Level, message: &str) {
    crate::bindings::latchwork::plugin::log::write(level, message);
}

/// Adds a line at level debug.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($arg)*)) };
}

/// Adds a line at level info.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($arg)*)) };
}

/// Adds a line at level warn.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($arg)*)) };
}

/// Adds a line at level error.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($arg)*)) };
}
