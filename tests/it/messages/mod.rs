//! Messages and what hangs on them, and how they are found again.

mod changes;
mod deleted_content;
mod deleted_text;
mod history;
mod marks;
mod mentions;
mod pins;
mod reactions;
mod receipts;
mod replies;
mod search;
mod search_index;
mod sync;
mod typing;
