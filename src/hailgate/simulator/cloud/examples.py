"""The templates that every business account begins with."""

from hailgate.simulator.cloud.templates import Template

EXAMPLES = (
    Template(
        "", "order_update", "en_US", "APPROVED", "UTILITY",
        [{"type": "BODY", "text": "Order {{1}} is {{2}}.", "example": {"body_text": [["42", "shipped"]]}}],
        quality="GREEN",
    ),
    Template(
        "", "appointment_reminder", "en_US", "APPROVED", "UTILITY",
        [
            {"type": "HEADER", "format": "TEXT", "text": "Your visit on {{1}}"},
            {"type": "BODY", "text": "Hello {{1}}, we expect you at {{2}}. Does that still suit you?"},
            {"type": "FOOTER", "text": "Example Clinic"},
            {"type": "BUTTONS", "buttons": [
                {"type": "QUICK_REPLY", "text": "Yes, I will come"},
                {"type": "QUICK_REPLY", "text": "Another time, please"},
                {"type": "PHONE_NUMBER", "text": "Call us", "phone_number": "+15550100000"},
            ]},
        ],
        quality="GREEN",
    ),
    Template(
        "", "promo", "en", "APPROVED", "MARKETING",
        [
            {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["https://example.com/p.jpg"]}},
            {"type": "BODY", "text": "Spring sale for you, {{first_name}}: everything at half price until Sunday."},
            {"type": "BUTTONS", "buttons": [
                {"type": "QUICK_REPLY", "text": "Stop promotions"},
                {"type": "URL", "text": "See offers", "url": "https://example.com/offers/{{1}}"},
            ]},
        ],
        "NAMED",
        quality="GREEN",
    ),
    Template(
        "", "otp", "en_US", "APPROVED", "AUTHENTICATION",
        [
            {"type": "BODY", "text": "*{{1}}* is your verification code."},
            {"type": "BUTTONS", "buttons": [
                {"type": "URL", "text": "Copy code", "url": "https://www.whatsapp.com/otp/code/?code=otp{{1}}"},
            ]},
        ],
    ),
    Template(
        "", "hello_world", "en_US", "APPROVED", "UTILITY",
        [
            {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
            {"type": "BODY", "text": "Welcome! This message shows that your number can send templates."},
            {"type": "FOOTER", "text": "Simulated WhatsApp"},
        ],
        quality="GREEN",
    ),
    Template(
        "", "winter_sale", "en_US", "PAUSED", "MARKETING",
        [{"type": "BODY", "text": "The winter sale begins today."}],
        quality="RED",
    ),
)  # fmt: skip
