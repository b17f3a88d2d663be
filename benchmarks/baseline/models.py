from django.db import models


class Message(models.Model):
    provider_id = models.CharField(max_length=255, unique=True)
    sender = models.CharField(max_length=32, db_index=True)
    text = models.TextField()
    status = models.CharField(max_length=20, default="received", db_index=True)
    reply_sid = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
