"""The tls plugin: PrivateKey, CertRequest, SelfSignedCert and LocallySignedCert as pulumi-tls 5.6.2 has them."""
