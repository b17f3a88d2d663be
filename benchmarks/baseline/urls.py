from django.urls import path

from benchmarks.baseline.views import Webhook

urlpatterns = [path("webhook", Webhook.as_view())]
