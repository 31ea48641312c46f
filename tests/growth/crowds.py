"""A detector of its own: institutions whose terminals are swiped more than twice, with a card."""

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from detectors.detector import Suspicion
from knowledge_base.cards import Advice, Card, Words
from knowledge_base.digests.head import Digest
from knowledge_base.findings import Amounts, Finding, Severity
from knowledge_base.subjects import Subject

from .swipes import SwipeDigest

_WORDS = Words(zh="{institution} 刷卡 {value} 次", en="{value} swipes at {institution}")
_NOTHING = Amounts(Decimal(0), Decimal(0), None, "at stake, not computed")


class Crowds:
    card = Card(
        id="MD90000001",
        title=Words(zh="扎堆刷卡", en="Swiped in crowds"),
        topic="crowds",
        severity=Severity.LOW,
        status="live",
        definition=_WORDS,
        message=_WORDS,
        advice=Advice(assumed=_WORDS, evaded=_WORDS, check_next=_WORDS),
        file_hash="0",
    )

    def detect(self, digests: Iterable[Digest]) -> Iterator[Suspicion]:
        swipes = [digest for digest in digests if isinstance(digest, SwipeDigest)]
        void = {swipe.voids for swipe in swipes} | {swipe.swipe_id for swipe in swipes if swipe.voids}
        standing = [swipe for swipe in swipes if swipe.swipe_id not in void]
        for institution, number in Counter(swipe.institution for swipe in standing).items():
            if number > 2:
                days = [swipe.day for swipe in standing if swipe.institution == institution]
                yield Suspicion(
                    Subject("institution", institution),
                    Finding(
                        maker_id=self.card.id,
                        occurrence=(institution,),
                        value=Decimal(number),
                        limit=Decimal(2),
                        first_day=min(days),
                        last_day=max(days),
                        guilty=(),
                        involved=(),
                        evidence={},
                        amounts=_NOTHING,
                        institution=institution,
                        year=2026,
                        at_stake=Decimal(100 * number),
                    ),
                )
