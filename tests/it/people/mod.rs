//! Accounts and what others see of them.

mod accounts;
mod attempts;
mod contacts;
mod ended_logins;
mod erasure;
mod export;
mod gone_people;
mod invisible;
mod presence;
mod profiles;
mod refresh;
