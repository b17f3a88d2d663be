"""What the codes of a message's end mean at Meta, for people, and what to do about them."""

from typing import Final

from hailgate.core.remedies import Remedy
from hailgate.providers.spec import CodeNote

CODES: Final = {
    "account_restricted": CodeNote(
        "Meta has restricted the business account.", "Mend the account's standing at the provider, then send it again."
    ),
    "channel_unauthorized": CodeNote(
        "Meta refuses the channel's access token, or lets it do too little.",
        "Give the channel a token with whatsapp_business_messaging, then send it again.",
        mended_by_settings=True,
    ),
    "file_refused": CodeNote(
        "Meta does not take the file.", "Store it in another format or smaller, and send a new message that names it."
    ),
    "number_not_registered": CodeNote(
        "The number is not registered at Meta, or not any more.",
        "Register the number at the provider, resume the channel, then send it again.",
    ),
    "number_unknown": CodeNote(
        "The channel's phone number id does not exist, or its token may not see it.",
        "Correct the number's id in the channel's settings, then send it again.",
        mended_by_settings=True,
    ),
    "pair_throttled": CodeNote(
        "Too many messages went to this person within a short time.",
        "Write to this person less often; send it again later.",
    ),
    "payment_problem": CodeNote(
        "The business account has a payment problem.",
        "Settle the account's payment at the provider, then send it again.",
    ),
    "template_paused": CodeNote(
        "Meta has paused the template for its low quality.",
        "Wait until the provider lets the template go on, or use another one.",
        remedy=Remedy.TEMPLATE,
    ),
}
