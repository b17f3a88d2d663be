"""The usual way to build this: Django, REST framework, Celery on Redis, Twilio's own library.

A webhook is checked, validated by a serializer and stored through the ORM; a Celery task reads it, sends a fixed reply
and stores what came of it. It keeps less than Hailgate promises: no raw copy, no order, no attempt before the send, and
a task that is queued after its commit is lost if the process ends in between. Its own environment holds the libraries.
"""
