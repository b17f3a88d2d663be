"""The third provider: in everything the opposite of the Cloud API, a plug-in with a server of its own.

Its webhooks are forms, signed over the URL and the body, and none is ever repeated. Its channels are paired with a
phone by a QR code. Files lie inside its webhooks and inside the calls that send them. It has no templates, echoes no id
of ours, and is asked for what it sent and for what came in.
"""
