//! A command's answer on standard output.
//!
//! Whoever reads it may go when he has seen enough, as `head` does: the rest is dropped, and the command ends with the code that
//! its result has. An answer that is lost in another way (a full disk) is a failure.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

static LOST: AtomicBool = AtomicBool::new(false);

/// As `print!`, on an output that may be closed.
macro_rules! say {
    ($($text:tt)*) => { $crate::answer::write(format_args!($($text)*)) };
}

/// As `println!`, on an output that may be closed.
macro_rules! say_line {
    ($($text:tt)*) => { $crate::answer::write(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes it, for [`say!`] and [`say_line!`].
pub fn write(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        // Said once.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) => {
            eprintln!("trunkline: the answer cannot be written: {error}");
        }
        _ => {}
    }
}

/// Whether a part of the answer could not be written although somebody wanted it.
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}
