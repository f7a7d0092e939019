//! Rooms, their members, and who may do what in them.

mod adding;
mod audit;
mod badges;
mod bans;
mod discovery;
mod history_access;
mod invites;
mod many_rooms;
mod matrix;
mod membership;
mod moderation_races;
mod new_rooms;
mod roles;
mod slow_mode;
mod succession;
mod viewers;
mod viewers_throttled;
