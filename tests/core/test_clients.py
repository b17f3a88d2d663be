"""The yardstick of what can be sent: every example of Meta's official description, and every send of pywa.

Both tables are printed. Had one to be refused, its reason would have to be one that Meta itself documents.
"""

import datetime as dt
import json
import os
from pathlib import Path

import httpx
import pytest
import yaml
from pywa import WhatsApp
from pywa import types as told
from pywa.types import templates as t
from pywa.types.callback import (
    BaseCarouselCard,
    CallPermissionRequestButton,
    ContactInfoRequestButton,
    ImageCarouselCard,
    VideoCarouselCard,
    VoiceCallButton,
)
from pywa.types.flows import FlowActionType, FlowStatus
from pywa.types.templates import TemplateLanguage

from hailgate.core.content import check_content, decode_outbound, encode_content, parse_outbound
from hailgate.core.errors import InputError

from .test_outbound import Limits

# What a request of the Cloud API says beside its content: our envelope has other names for it.
ENVELOPE = {"to", "recipient", "context", "biz_opaque_callback_data", "product_policy", "message_activity_sharing"}


def outcome(request):
    """`accepted`, or the sentence of the refusal."""
    content = {name: value for name, value in request.items() if name not in ENVELOPE}
    try:
        parsed = parse_outbound(content)
        check_content(parsed, Limits())
    except InputError as refused:
        return refused.detail
    assert decode_outbound(encode_content(parsed)) == parsed
    return "accepted"


# --- Meta's own description -------------------------------------------------------------------------------------------

SENDS = ("/{Version}/{Phone-Number-ID}/messages", "/{Version}/{Phone-Number-ID}/marketing_messages")
# What stands in the examples for a value of the reader's own.
PLACEHOLDERS = {"<http(s)://": "https://example.com/", "http(s)://": "https://example.com/", "<HEADER_TYPE>": "text"}
# Not sends: a read receipt has an address of its own here.
NO_SENDS = {"Send typing indicator and read receipt"}


def official_examples():
    where = os.environ.get("HAILGATE_OPENAPI_DIR")
    if where is None:
        return {}
    [file] = Path(where).glob("meta/openapi/*.yaml")
    described = yaml.load(file.read_text(), yaml.CSafeLoader)
    found = {}
    for path in SENDS:
        body = described["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        found |= {name: example["value"] for name, example in body["examples"].items()}
    return {name: filled_in(request) for name, request in found.items() if name not in NO_SENDS}


def filled_in(request):
    text = json.dumps(request)
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    return json.loads(text)


def test_every_official_example_is_accepted(capsys):
    examples = official_examples()
    if not examples:
        pytest.skip("HAILGATE_OPENAPI_DIR is not set: there are no examples to try")
    outcomes = {name: outcome(request) for name, request in examples.items()}
    with capsys.disabled():
        show("Meta's description", outcomes)

    assert {name: why for name, why in outcomes.items() if why != "accepted"} == {}
    assert len(outcomes) == 52


# --- pywa -------------------------------------------------------------------------------------------------------------

CARD = told.Contact(
    name=told.Contact.Name(formatted_name="Lena Muster", first_name="Lena"),
    phones=[told.Contact.Phone(phone="1234567890", wa_id="1234567890", type="MOBILE")],
    emails=[told.Contact.Email(email="lena@example.com", type="WORK")],
    urls=[told.Contact.Url(url="https://example.com", type="HOME")],
    addresses=[told.Contact.Address(street="1 Main St", city="Springfield", country_code="us", type="HOME")],
    org=told.Contact.Org(company="Example"),
)
LIST = told.SectionList("Choose", [told.Section("Fruit", [told.SectionRow("Apple", "apple", "Red")])])
FLOW = told.FlowButton(
    "Begin the registration now", flow_id="123", flow_token="t", flow_action_type=FlowActionType.NAVIGATE,
    flow_action_screen="FIRST", flow_action_payload={"a": 1}, mode=FlowStatus.DRAFT,
)  # fmt: skip
LINK = told.URLButton("Open", "https://example.com/a")
YES, NO = told.Button("Yes", "yes"), told.Button("No", "no")
TO, USER = "15551234567", "US.1234567890ABC"
PICTURE = "https://example.com/a.jpg"
PAPER = "https://example.com/a.pdf"
FILM = "https://example.com/a.mp4"
NOW = dt.datetime(2027, 3, 1, tzinfo=dt.UTC)
SECTIONS = [told.ProductsSection("Fruit", ["A1", "A2"]), told.ProductsSection("Bread", ["B1"])]
EN = TemplateLanguage.ENGLISH_US


def template(*params):
    return lambda wa: wa.send_template(TO, "a_template", EN, list(params))


PYWA = {
    "send_message": lambda wa: wa.send_message(TO, "Hello", preview_url=True),
    "send_message, to a user id": lambda wa: wa.send_message(USER, "Hello"),
    "send_message, identity": lambda wa: wa.send_message(TO, "Hello", identity_key_hash="DF2lS5v2"),
    "send_message, quoting": lambda wa: wa.send_message(TO, "Hello", reply_to_message_id="wamid.X", tracker="t"),
    "send_message, buttons": lambda wa: wa.send_message(TO, "?", header="H", footer="F", buttons=[YES, NO]),
    "send_message, link": lambda wa: wa.send_message(TO, "?", buttons=LINK),
    "send_message, list": lambda wa: wa.send_message(TO, "?", buttons=LIST),
    "send_message, flow": lambda wa: wa.send_message(TO, "?", buttons=FLOW),
    "send_message, call": lambda wa: wa.send_message(
        TO, "?", buttons=VoiceCallButton("Call us", dt.timedelta(days=3))
    ),
    "send_message, call without words": lambda wa: wa.send_message(TO, "?", buttons=VoiceCallButton()),
    "send_message, call permission": lambda wa: wa.send_message(TO, "?", buttons=CallPermissionRequestButton()),
    "send_message, contact info": lambda wa: wa.send_message(TO, "?", buttons=ContactInfoRequestButton()),
    "send_image": lambda wa: wa.send_image(TO, PICTURE, caption="A"),
    "send_image, buttons": lambda wa: wa.send_image(TO, PICTURE, caption="A", footer="F", buttons=[YES]),
    "send_image, link": lambda wa: wa.send_image(TO, PICTURE, caption="A", buttons=LINK),
    "send_image, flow": lambda wa: wa.send_image(TO, PICTURE, caption="A", buttons=FLOW),
    "send_image, by id": lambda wa: wa.send_image(TO, "1234567890"),
    "send_video": lambda wa: wa.send_video(TO, FILM, caption="A"),
    "send_video, buttons": lambda wa: wa.send_video(TO, FILM, caption="A", buttons=[YES, NO]),
    "send_document": lambda wa: wa.send_document(TO, PAPER, filename="a.pdf", caption="A"),
    "send_document, buttons": lambda wa: wa.send_document(
        TO, PAPER, filename="a.pdf", caption="A", buttons=[YES]
    ),
    "send_audio": lambda wa: wa.send_audio(TO, "https://example.com/a.mp3"),
    "send_voice": lambda wa: wa.send_voice(TO, "https://example.com/a.ogg"),
    "send_sticker": lambda wa: wa.send_sticker(TO, "https://example.com/a.webp"),
    "send_reaction": lambda wa: wa.send_reaction(TO, "👍", "wamid.X"),
    "remove_reaction": lambda wa: wa.remove_reaction(TO, "wamid.X"),
    "send_location": lambda wa: wa.send_location(TO, 37.4847, -122.1486, name="HQ", address="1 Way"),
    "request_location": lambda wa: wa.request_location(TO, "Where?"),
    "request_contact_info": lambda wa: wa.request_contact_info(USER, "Your number?"),
    "send_contact": lambda wa: wa.send_contact(TO, CARD),
    "send_contact, two": lambda wa: wa.send_contact(TO, [CARD, CARD]),
    "send_catalog": lambda wa: wa.send_catalog(TO, "Look", "Footer", thumbnail_product_sku="A1"),
    "send_catalog, no thumbnail": lambda wa: wa.send_catalog(TO, "Look"),
    "send_product": lambda wa: wa.send_product(TO, "123", "A1"),
    "send_product, body": lambda wa: wa.send_product(TO, "123", "A1", body="B", footer="F"),
    "send_products": lambda wa: wa.send_products(TO, "123", SECTIONS, "Title", "Body", "Footer"),
    "send_carousel, pictures": lambda wa: wa.send_carousel(
        TO, body="Look",
        cards=[
            ImageCarouselCard(body="A", image=PICTURE, buttons=LINK), ImageCarouselCard(image=PICTURE, buttons=LINK)
        ],
    ),
    "send_carousel, films": lambda wa: wa.send_carousel(
        TO, body="Look",
        cards=[
            VideoCarouselCard(body="A", video=FILM, buttons=[YES, NO]), VideoCarouselCard(video=FILM, buttons=[YES])
        ],
    ),
    "send_carousel, no pictures": lambda wa: wa.send_carousel(
        TO, body="Look",
        cards=[BaseCarouselCard(body="A", buttons=LINK), BaseCarouselCard(body="B", buttons=LINK)],
    ),
    "send_template": lambda wa: wa.send_template(TO, "hello_world", EN),
    "send_template, texts": template(t.HeaderText.params("Summer"), t.BodyText.params("Lena", "12")),
    "send_template, names": template(t.BodyText.params(name="Lena", order="12")),
    "send_template, money and time": template(
        t.BodyText.params(
            t.Currency(fallback_value="$1", code="USD", amount_1000=1000), t.DateTime(fallback_value="today")
        )
    ),
    "send_template, picture": template(t.HeaderImage.params(image=PICTURE)),
    "send_template, film": template(t.HeaderVideo.params(video=FILM)),
    "send_template, gif": template(t.HeaderGIF.params(gif=FILM)),
    "send_template, document": template(t.HeaderDocument.params(document=PAPER, filename="a.pdf")),
    "send_template, place": template(t.HeaderLocation.params(lat=37.4, lon=-122.1, name="HQ", address="1 Way")),
    "send_template, product": template(t.HeaderProduct.params(catalog_id="123", sku="A1")),
    "send_template, tap": template(t.TapTargetConfiguration(title="Open", url="https://example.com")),
    "send_template, coupon": template(t.CopyCodeButton.params(coupon_code="25OFF", index=0)),
    "send_template, flow": template(t.FlowButton.params(index=0, flow_token="t", flow_action_data={"a": 1})),
    "send_template, flow without data": template(t.FlowButton.params(index=0)),
    "send_template, quick reply": template(t.QuickReplyButton.params(callback_data="yes", index=1)),
    "send_template, url": template(t.URLButton.params(url_variable="a/b", index=0)),
    "send_template, catalog": template(t.CatalogButton.params(thumbnail_product_sku="A1", index=0)),
    "send_template, catalog alone": template(t.CatalogButton.params(index=0)),
    "send_template, products": template(
        t.MPMButton.params(product_sections=SECTIONS, thumbnail_product_sku="A1", index=0)
    ),
    "send_template, code": template(t.AuthenticationBody.params(otp="1234"), t.CopyCodeOTPButton.params(otp="1234")),
    "send_template, one tap": template(t.AuthenticationBody.params(otp="1"), t.OneTapOTPButton.params(otp="1")),
    "send_template, offer": template(t.LimitedTimeOffer.params(expiration_time=NOW)),
    "send_template, carousel": template(
        t.BodyText.params("Lena"),
        t.Carousel.params(
            cards=[
                t.CarouselCard.params(
                    params=[t.HeaderImage.params(image=PICTURE), t.QuickReplyButton.params(callback_data="a", index=0)],
                    index=index,
                )
                for index in range(2)
            ]
        ),
    ),
    "send_template, marketing": lambda wa: wa.send_template(
        TO, "a_template", EN, [t.BodyText.params("x")], use_mm_lite_api=True, message_activity_sharing=True
    ),
}  # fmt: skip
# Another name of one that is there, and what is done to a number, a group or the client itself.
NO_MESSAGES = {
    "send_text", "request_verification_code", "remove_callbacks", "remove_group_participants",
    "remove_handlers",
}  # fmt: skip


def sent_by_pywa(send):
    """The body that pywa would have posted."""
    posted = []

    def answer(request):
        if request.url.path.endswith("/media"):
            return httpx.Response(200, json={"id": "1"})
        if request.headers.get("content-type") == "application/json":
            posted.append(json.loads(request.content))
        return httpx.Response(
            200,
            json={
                "messaging_product": "whatsapp",
                "contacts": [{"input": "1", "wa_id": "1"}],
                "messages": [{"id": "w"}],
            },
        )

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="https://graph.invalid") as session:
        send(WhatsApp(phone_id="1", token="t", session=session))
    [body] = posted
    return body


def test_every_send_of_pywa_is_accepted(capsys):
    outcomes = {name: outcome(sent_by_pywa(send)) for name, send in PYWA.items()}
    with capsys.disabled():
        show("pywa", outcomes)

    assert {name: why for name, why in outcomes.items() if why != "accepted"} == {}


def test_no_send_of_pywa_is_forgotten():
    sends = {name for name in dir(WhatsApp) if name.startswith(("send_", "request_", "remove_"))}
    tried = {name.partition(",")[0] for name in PYWA}

    assert sends - tried == NO_MESSAGES


def show(title, outcomes):
    accepted = sum(why == "accepted" for why in outcomes.values())
    print(f"\n{title}: {len(outcomes)} sends, {accepted} accepted, {len(outcomes) - accepted} refused")
    for name, why in outcomes.items():
        print(f"  {name:<48} {why}")
