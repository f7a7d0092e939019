//! How a room is governed: its rules, bans, the link, invitations, and the audit list.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(Table::alter().table("rooms").add_column(string_len("history", 32).default("all")).to_owned())
            .await?;
        manager
            .alter_table(Table::alter().table("rooms").add_column(integer("slow_mode_seconds").default(0)).to_owned())
            .await?;
        manager
            .alter_table(Table::alter().table("members").add_column(big_integer_null("last_sent_at")).to_owned())
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("bans")
                    .col(uuid("room_id"))
                    .col(uuid("user_id"))
                    .col(uuid("banned_by"))
                    .col(text_null("reason"))
                    .col(big_integer("created_at"))
                    .col(big_integer_null("expires_at"))
                    .primary_key(Index::create().col("room_id").col("user_id"))
                    .foreign_key(ForeignKey::create().from("bans", "room_id").to("rooms", "id"))
                    .foreign_key(ForeignKey::create().from("bans", "user_id").to("users", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("invites")
                    .col(pk_uuid("room_id"))
                    .col(string_len("code", 64))
                    .col(binary("code_hash").unique_key())
                    .col(string_len("role", 32))
                    .col(integer("uses"))
                    .col(integer_null("max_uses"))
                    .col(uuid("created_by"))
                    .col(big_integer("created_at"))
                    .col(big_integer_null("expires_at"))
                    .foreign_key(ForeignKey::create().from("invites", "room_id").to("rooms", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("invitations")
                    .col(pk_uuid("id"))
                    .col(uuid("room_id"))
                    .col(uuid("invited_by"))
                    .col(uuid_null("user_id"))
                    .col(text_null("email"))
                    .col(string_len("code", 64))
                    .col(binary("code_hash").unique_key())
                    .col(big_integer("created_at"))
                    .col(big_integer("expires_at"))
                    .col(big_integer_null("used_at"))
                    .foreign_key(ForeignKey::create().from("invitations", "room_id").to("rooms", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(Index::create().name("invitations_by_room").table("invitations").col("room_id").to_owned())
            .await?;
        manager
            .create_index(Index::create().name("invitations_by_user").table("invitations").col("user_id").to_owned())
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("audit_entries")
                    .col(pk_uuid("id"))
                    .col(uuid("room_id"))
                    .col(uuid("actor_id"))
                    .col(string_len("action", 32))
                    .col(uuid_null("user_id"))
                    .col(uuid_null("message_id"))
                    .col(text_null("before"))
                    .col(text_null("after"))
                    .col(big_integer("created_at"))
                    .foreign_key(ForeignKey::create().from("audit_entries", "room_id").to("rooms", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("audit_entries_by_room")
                    .table("audit_entries")
                    .col("room_id")
                    .col("id")
                    .to_owned(),
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("audit_entries").to_owned()).await?;
        manager.drop_table(Table::drop().table("invitations").to_owned()).await?;
        manager.drop_table(Table::drop().table("invites").to_owned()).await?;
        manager.drop_table(Table::drop().table("bans").to_owned()).await?;
        manager.alter_table(Table::alter().table("members").drop_column("last_sent_at").to_owned()).await?;
        manager.alter_table(Table::alter().table("rooms").drop_column("slow_mode_seconds").to_owned()).await?;
        manager.alter_table(Table::alter().table("rooms").drop_column("history").to_owned()).await?;
        Ok(())
    }
}
