//! What every request passes on its way in and every answer on its way out, outermost first: one form of its path (`path`), a
//! name and a span (`trace`), whose it is (`address`), by which name it came (`host`), whether a page may ask (`origin`), who may
//! operate (`ops`), how much (`limit`), for how long (`timeout`), and whether the answer is read (`reading`).

pub mod address;
pub mod host;
pub mod limit;
pub mod ops;
pub mod origin;
pub mod path;
pub mod reading;
pub mod timeout;
pub mod trace;
