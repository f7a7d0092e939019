//! Uploaded files, and which messages and profiles show them.

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
                    .table("media")
                    .col(pk_uuid("id"))
                    .col(uuid("owner_id"))
                    .col(string_len("status", 16))
                    .col(text("filename"))
                    .col(string_len("mime_type", 128))
                    .col(big_integer("size"))
                    .col(binary_null("sha256"))
                    .col(integer_null("width"))
                    .col(integer_null("height"))
                    .col(big_integer_null("duration_ms"))
                    .col(string_len_null("thumbhash", 64))
                    .col(string_len_null("thumbnail_mime_type", 64))
                    .col(boolean("is_direct"))
                    .col(big_integer("created_at"))
                    .col(big_integer_null("withdrawn_at"))
                    .foreign_key(ForeignKey::create().from("media", "owner_id").to("users", "id"))
                    .to_owned(),
            )
            .await?;
        manager.create_index(Index::create().name("media_by_owner").table("media").col("owner_id").to_owned()).await?;
        manager
            .create_index(
                Index::create().name("media_by_status").table("media").col("status").col("created_at").to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("attachments")
                    .col(uuid("message_id"))
                    .col(integer("position"))
                    .col(uuid("media_id"))
                    .col(uuid("room_id"))
                    .col(big_integer("seq"))
                    .primary_key(Index::create().col("message_id").col("position"))
                    .foreign_key(ForeignKey::create().from("attachments", "message_id").to("messages", "id"))
                    .foreign_key(ForeignKey::create().from("attachments", "media_id").to("media", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(Index::create().name("attachments_by_media").table("attachments").col("media_id").to_owned())
            .await?;
        manager
            .create_index(
                Index::create().name("attachments_by_room").table("attachments").col("room_id").col("seq").to_owned(),
            )
            .await?;
        for table in ["users", "rooms"] {
            manager
                .alter_table(Table::alter().table(table).add_column(uuid_null("avatar_media_id")).to_owned())
                .await?;
            manager
                .create_index(
                    Index::create()
                        .name(format!("{table}_by_avatar"))
                        .table(table)
                        .col("avatar_media_id")
                        .and_where(Expr::col("avatar_media_id").is_not_null())
                        .to_owned(),
                )
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["users", "rooms"] {
            manager.drop_index(Index::drop().name(format!("{table}_by_avatar")).table(table).to_owned()).await?;
            manager.alter_table(Table::alter().table(table).drop_column("avatar_media_id").to_owned()).await?;
        }
        manager.drop_table(Table::drop().table("attachments").to_owned()).await?;
        manager.drop_table(Table::drop().table("media").to_owned()).await
    }
}
