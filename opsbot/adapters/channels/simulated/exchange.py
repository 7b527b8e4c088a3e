"""The hub's own work, without any network: who may write to whom, and what reaches which phone and which daemon."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from opsbot.adapters.channels.simulated.account import Account, AccountState, Owner
from opsbot.adapters.channels.simulated.gateway import KICKED, Gateway
from opsbot.adapters.channels.simulated.phone import Letter, Phones
from opsbot.adapters.channels.simulated.wire import FILE_LIMIT_BYTES, TEXT_LIMIT_CHARS, Frame, event_frame, read_attachment
from opsbot.core.chat import AccountEvent, Attachment
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError
from opsbot.core.ports import Clock

KEYS_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Room:
    """A room of the hub; its members never change."""

    room_id: str
    name: str
    members: frozenset[str]


class Exchange:
    """Carries messages between accounts and knows how each account stands."""

    def __init__(
        self, owners: Sequence[Owner], rooms: Sequence[Room], clock: Clock, *, refresh_s: float, scan_step_s: float
    ) -> None:
        self.phones = Phones(owner.account_id for owner in owners)
        self._gateways: dict[str, Gateway] = {}
        self._clock = clock
        self._rooms = {room.room_id: room for room in rooms}
        self._sent: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._accounts = {
            owner.account_id: Account(
                owner, clock, partial(self._tell, owner.account_id), refresh_s=refresh_s, scan_step_s=scan_step_s
            )
            for owner in owners
        }

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts by id."""
        return self._accounts

    def account(self, account_id: str) -> Account:
        """Find an account. Raises MessageRejectedError when there is none."""
        try:
            return self._accounts[account_id]
        except KeyError:
            raise MessageRejectedError(f"the hub has no account {account_id!r}") from None

    def connect(self, account_id: str, gateway: Gateway) -> None:
        """Make this the account's one connection; the one before is kicked."""
        account = self.account(account_id)
        if (before := self._gateways.get(account_id)) is not None:
            before.end(KICKED, "kicked: another client has taken this account")
        self._gateways[account_id] = gateway
        gateway.push({"hello": {"account_id": account_id, "name": account.owner.name}})
        for event in account.greeting():
            gateway.push(event_frame(event))
        self.phones.change()

    def disconnect(self, account_id: str, gateway: Gateway) -> None:
        """Forget a connection that has ended."""
        if self._gateways.get(account_id) is gateway:
            del self._gateways[account_id]
        self.phones.change()

    def end_all(self) -> None:
        """End all connections, since the hub stops."""
        for gateway in self._gateways.values():
            gateway.end(1001, "the hub has stopped")

    def answer(self, account_id: str, request: Frame) -> Frame:
        """Carry out a request of the daemon that is connected for an account.

        Raises:
            ChannelUnavailableError: the account is not logged in.
            MessageRejectedError: the message can never be carried.
        """
        account = self.account(account_id)
        match request["do"]:
            case "send":
                if account.state is not AccountState.LOGGED_IN:
                    raise ChannelUnavailableError(f"{account.owner.name} is not logged in")
                file = read_attachment(request.get("attachment"))
                return {"message_id": self.send(account_id, request["to"], request["text"], file, request["key"])}
            case "log_out":
                account.log_out("logged out by its own daemon")
                return {}
            case "contacts":
                return {"contacts": self._contacts(account_id)}
            case _:
                raise ValueError(request["do"])

    def send(self, sender_id: str, to_id: str, text: str, file: Attachment | None = None, key: str = "") -> str:
        """Carry one message and give its id; a repeat of the same `key` gives the first one's id and carries nothing.

        Raises:
            MessageRejectedError: no such receiver, or larger than the hub takes.
        """
        if key and (sender_id, key) in self._sent:
            return self._sent[sender_id, key]
        readers = self._readers(sender_id, to_id)
        if len(text) > TEXT_LIMIT_CHARS:
            raise MessageRejectedError(f"the text has {len(text)} characters; the hub takes {TEXT_LIMIT_CHARS}")
        if file is not None and len(file.content) > FILE_LIMIT_BYTES:
            raise MessageRejectedError(f"the file has {len(file.content)} bytes; the hub takes {FILE_LIMIT_BYTES}")
        letter = Letter(
            message_id=secrets.token_hex(8),
            sender_id=sender_id,
            to_id=to_id,
            is_room=to_id in self._rooms,
            text=text,
            at=self._clock.now(),
            attachment=file,
            mentions=self._mentioned(text, readers),
        )
        self.phones.keep(letter, sorted(readers))
        self._carry(letter, readers)
        self._remember(sender_id, key, letter.message_id)
        return letter.message_id

    def stand(self) -> dict[str, Any]:
        """Say how each account stands, ready for JSON, without any login code."""
        return {
            account_id: {
                "name": account.owner.name,
                "has_gateway": account.owner.has_gateway,
                "state": account.state.value,
                "scan_status": account.scan_status.value,
                "codes_shown": account.codes_shown,
                "code_life_s": account.refresh_s,
                "code_shown_at": account.code_shown_at.isoformat() if account.code_shown_at else None,
                "connected": account_id in self._gateways,
            }
            for account_id, account in self._accounts.items()
        }

    def _readers(self, sender_id: str, to_id: str) -> frozenset[str]:
        room = self._rooms.get(to_id)
        if room is None:
            return frozenset({sender_id, self.account(to_id).owner.account_id})
        if sender_id not in room.members:
            raise MessageRejectedError(f"{sender_id!r} is not in {to_id!r}")
        return room.members

    def _mentioned(self, text: str, readers: frozenset[str]) -> frozenset[str]:
        words = {word.rstrip(",:，：") for word in text.split()}
        return frozenset(one for one in readers if f"@{self._accounts[one].owner.name}" in words)

    def _carry(self, letter: Letter, readers: frozenset[str]) -> None:
        for reader in readers:
            gateway = self._gateways.get(reader)
            if gateway is not None and self._accounts[reader].state is AccountState.LOGGED_IN:
                gateway.push(self._message_frame(letter, reader))

    def _message_frame(self, letter: Letter, reader: str) -> Frame:
        is_own = letter.sender_id == reader
        return {
            "message": {
                "id": letter.message_id,
                "kind": "text" if letter.text else "file",
                "chat": letter.to_id if letter.is_room or is_own else letter.sender_id,
                "is_room": letter.is_room,
                "sender": letter.sender_id,
                "sender_name": self._accounts[letter.sender_id].owner.name,
                "text": letter.text,
                "sent_at": letter.at.isoformat(),
                "is_own": is_own,
                "mentions_reader": reader in letter.mentions,
            }
        }

    def _contacts(self, account_id: str) -> list[Frame]:
        people = [account.owner for one, account in self._accounts.items() if one != account_id]
        rooms = [room for room in self._rooms.values() if account_id in room.members]
        return [{"id": owner.account_id, "name": owner.name, "is_room": False} for owner in people] + [
            {"id": room.room_id, "name": room.name, "is_room": True} for room in rooms
        ]

    def _remember(self, sender_id: str, key: str, message_id: str) -> None:
        if key:
            self._sent[sender_id, key] = message_id
            if len(self._sent) > KEYS_REMEMBERED:
                self._sent.popitem(last=False)

    def _tell(self, account_id: str, event: AccountEvent) -> None:
        if (gateway := self._gateways.get(account_id)) is not None:
            gateway.push(event_frame(event))
        self.phones.change()
