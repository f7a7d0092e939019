//! What requests pass on their way in and answers on their way out, outermost first: one form of the path (`path`), a name and a
//! span (`trace`), whose it is (`address`), by which name it came (`host`), whether a page may ask (`origin`), whether the
//! answer is read (`reading`), how much (`limit`), for how long (`timeout`), and who may operate (`ops`).

pub mod address;
pub mod host;
pub mod limit;
pub mod ops;
pub mod origin;
pub mod path;
pub mod reading;
pub mod timeout;
pub mod trace;
