//! What is said to people on stderr. That nobody listens any more, as after `2>&1 | head -1`, ends no scheduler.

/// As `eprintln!`, which would panic when stderr is closed.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        // There is no one left to tell that there is no one left to tell.
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}

pub(crate) use say;
