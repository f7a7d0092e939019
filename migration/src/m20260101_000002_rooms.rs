//! Rooms and their members.

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
            .create_table(
                Table::create()
                    .table("rooms")
                    .col(pk_uuid("id"))
                    .col(string_len("room_type", 32))
                    .col(string_len("visibility", 32))
                    .col(string_len_null("name", 100))
                    .col(text_null("description"))
                    .col(text_null("avatar_url"))
                    .col(uuid("created_by"))
                    .col(integer_null("max_members"))
                    .col(integer("member_count"))
                    .col(big_integer("message_count"))
                    .col(big_integer("last_seq"))
                    .col(big_integer("last_message_seq"))
                    .col(boolean("ai_enabled"))
                    .col(string_len_null("ai_model", 64))
                    .col(string_len_null("direct_key", 73).unique_key())
                    .col(big_integer("created_at"))
                    .col(big_integer("updated_at"))
                    .col(big_integer("active_at"))
                    .col(big_integer_null("deleted_at"))
                    .foreign_key(ForeignKey::create().from("rooms", "created_by").to("users", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("members")
                    .col(pk_uuid("id"))
                    .col(uuid("room_id"))
                    .col(uuid("user_id"))
                    .col(string_len("role", 32))
                    .col(big_integer("joined_at"))
                    .col(big_integer("joined_seq"))
                    .col(big_integer("last_read_seq"))
                    .col(big_integer_null("last_read_at"))
                    .col(big_integer_null("muted_until"))
                    .col(big_integer_null("left_at"))
                    .foreign_key(ForeignKey::create().from("members", "room_id").to("rooms", "id"))
                    .foreign_key(ForeignKey::create().from("members", "user_id").to("users", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("members_by_room_and_user")
                    .table("members")
                    .col("room_id")
                    .col("user_id")
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager.create_index(Index::create().name("members_by_user").table("members").col("user_id").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("members").to_owned()).await?;
        manager.drop_table(Table::drop().table("rooms").to_owned()).await
    }
}
