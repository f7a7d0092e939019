//! What people do with their accounts besides signing in, and what they see of others: profiles, contacts, erasure.

pub mod contact;
pub mod deactivation;
pub mod erasure;
pub mod profile;
