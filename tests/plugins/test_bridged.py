"""What the random and tls plugins do beyond the recorded contract."""

from __future__ import annotations

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from tests.plugins.harness import CallError, Plugin
from toolchain.plugins.values import Properties, Secret, plain

PASSWORD = "random:index/randomPassword:RandomPassword"
KEY = "tls:index/privateKey:PrivateKey"
REQUEST = "tls:index/certRequest:CertRequest"
SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
LOCALLY_SIGNED = "tls:index/locallySignedCert:LocallySignedCert"


def bare(properties: Properties) -> Properties:
    """The properties as the engine sends them to these plugins: without secret wrappers."""
    return {key: plain(value) for key, value in properties.items()}


def new_key(plugin: Plugin, curve: str = "P256") -> str:
    return str(bare(plugin.create(KEY, {"algorithm": "ECDSA", "ecdsaCurve": curve}))["privateKeyPem"])


@pytest.fixture
def authority(tls_plugin: Plugin) -> Properties:
    inputs: Properties = {
        "privateKeyPem": new_key(tls_plugin, "P384"),
        "subject": {"commonName": "Root"},
        "validityPeriodHours": 48,
        "allowedUses": ["cert_signing"],
        "isCaCertificate": True,
    }
    return bare(tls_plugin.create(SELF_SIGNED, inputs))


@pytest.fixture
def leaf_inputs(tls_plugin: Plugin, authority: Properties) -> Properties:
    request: Properties = {
        "privateKeyPem": new_key(tls_plugin),
        "subject": {"commonName": "host", "organization": "Örg"},
        "dnsNames": ["host.test"],
        "ipAddresses": ["10.0.0.1", "fd00::1"],
    }
    return {
        "certRequestPem": tls_plugin.create(REQUEST, request)["certRequestPem"],
        "caCertPem": authority["certPem"],
        "caPrivateKeyPem": authority["privateKeyPem"],
        "validityPeriodHours": 24,
        "allowedUses": ["server_auth", "digital_signature"],
    }


@pytest.mark.parametrize(
    ("name", "type_"),
    [("random_plugin", "random:index/randomPet:RandomPet"), ("tls_plugin", "tls:index/nothing:Nothing")],
)
def test_another_resource_type_is_refused_by_name(request: pytest.FixtureRequest, name: str, type_: str) -> None:
    with pytest.raises(CallError, match=type_):
        request.getfixturevalue(name).check(type_, {})


def test_an_unknown_input_is_refused_by_name_before_anything_is_made(random_plugin: Plugin) -> None:
    with pytest.raises(CallError, match="'lenght'"):
        random_plugin.create(PASSWORD, {"length": 12, "lenght": 13}, preview=True)


def test_an_unknown_part_of_the_subject_is_refused_by_name(tls_plugin: Plugin) -> None:
    with pytest.raises(CallError, match="'commonname'"):
        tls_plugin.create(REQUEST, {"privateKeyPem": new_key(tls_plugin), "subject": {"commonname": "x"}})


def test_a_failure_in_check_names_its_input(tls_plugin: Plugin) -> None:
    _, reasons = tls_plugin.check(KEY, {"algorithm": "rsa"})
    assert reasons == [
        "Invalid Attribute Value. Attribute algorithm value must be one of RSA, ECDSA, ED25519, got: 'rsa'. "
        "Examine values at 'r.algorithm'."
    ]


def test_the_minima_of_a_password_must_fit(random_plugin: Plugin) -> None:
    _, reasons = random_plugin.check(PASSWORD, {"length": 3, "minUpper": 2, "minLower": 2})
    assert [reason for reason in reasons if "at least sum of" in reason]


def test_a_password_of_no_characters_is_refused(random_plugin: Plugin) -> None:
    none: Properties = dict.fromkeys(("upper", "lower", "numeric", "special"), False)
    with pytest.raises(CallError, match="the character set specified is empty"):
        random_plugin.create(PASSWORD, {"length": 3, **none})


def test_a_locally_signed_certificate_is_what_was_requested(
    tls_plugin: Plugin, authority: Properties, leaf_inputs: Properties
) -> None:
    state = tls_plugin.create(LOCALLY_SIGNED, leaf_inputs)
    ca = x509.load_pem_x509_certificate(str(authority["certPem"]).encode())
    certificate = x509.load_pem_x509_certificate(str(state["certPem"]).encode())
    certificate.verify_directly_issued_by(ca)
    assert state["caPrivateKeyPem"] == Secret(authority["privateKeyPem"])
    assert state["caKeyAlgorithm"] == "ECDSA"
    assert state["id"] == str(certificate.serial_number)
    assert certificate.subject.rfc4514_string() == "CN=host,O=Örg"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["host.test"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("10.0.0.1"),
        ipaddress.ip_address("fd00::1"),
    ]
    authority_id = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    own_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert authority_id.key_identifier == own_id.digest
    validity = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert validity == datetime.timedelta(hours=24)


def test_a_locally_signed_certificate_is_stable_until_an_input_changes(
    tls_plugin: Plugin, leaf_inputs: Properties
) -> None:
    state = bare(tls_plugin.create(LOCALLY_SIGNED, leaf_inputs))
    assert tls_plugin.diff(LOCALLY_SIGNED, state, leaf_inputs) == ([], [])
    changed: Properties = {**leaf_inputs, "validityPeriodHours": 12}
    assert tls_plugin.diff(LOCALLY_SIGNED, state, changed) == (["validityPeriodHours"], ["validityPeriodHours"])
    due: Properties = {**leaf_inputs, "earlyRenewalHours": 24}
    assert tls_plugin.diff(LOCALLY_SIGNED, state, due) == (
        ["earlyRenewalHours", "readyForRenewal"],
        ["readyForRenewal"],
    )


def test_the_key_of_another_authority_is_refused(tls_plugin: Plugin, leaf_inputs: Properties) -> None:
    with pytest.raises(CallError, match="provided PrivateKey doesn't match parent's PublicKey"):
        tls_plugin.create(LOCALLY_SIGNED, {**leaf_inputs, "caPrivateKeyPem": new_key(tls_plugin)})


def test_a_bad_key_is_not_in_its_error(tls_plugin: Plugin) -> None:
    pem = "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END EC PRIVATE KEY-----\n"
    with pytest.raises(CallError) as failed:
        tls_plugin.create(REQUEST, {"privateKeyPem": pem})
    assert failed.value.text == "Failed to parse private key PEM: it holds no readable private key"
    assert not any("c2VjcmV0" in line for line in tls_plugin.engine.lines)


def test_a_bad_address_is_named(tls_plugin: Plugin) -> None:
    with pytest.raises(CallError, match='Invalid IP address: Failed to parse "nope"'):
        tls_plugin.create(REQUEST, {"privateKeyPem": new_key(tls_plugin), "ipAddresses": ["nope"]})


def test_all_forms_of_a_p224_key_but_the_openssh_ones(tls_plugin: Plugin) -> None:
    state = bare(tls_plugin.create(KEY, {"algorithm": "ECDSA"}))
    openssh = ("privateKeyOpenssh", "publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256")
    assert [state[name] for name in openssh] == [""] * 4
    private = load_pem_private_key(str(state["privateKeyPem"]).encode(), None)
    assert private.public_key() == load_pem_public_key(str(state["publicKeyPem"]).encode())


def test_what_is_made_is_unknown_in_a_preview(tls_plugin: Plugin, leaf_inputs: Properties) -> None:
    state = tls_plugin.create(LOCALLY_SIGNED, leaf_inputs, preview=True)
    assert state["readyForRenewal"] is False
    assert state["caPrivateKeyPem"] == Secret(leaf_inputs["caPrivateKeyPem"])
    assert "Unknown" in repr(state["certPem"])
