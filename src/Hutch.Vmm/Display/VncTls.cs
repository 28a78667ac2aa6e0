using System;
using System.IO;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hutch.Devices;

namespace Hutch.Vmm.Display;

/// <summary>The server's half of TLS, with a certificate from files of the names that libvirt and QEMU use. Clients are not asked for certificates.</summary>
internal sealed class VncTls : IDisposable
{
    private const string CertificateName = "server-cert.pem", KeyName = "server-key.pem";

    private readonly X509Certificate2Collection _chain;
    private readonly X509Certificate2 _certificate;
    private readonly SslServerAuthenticationOptions _options;

    private VncTls(X509Certificate2 certificate, X509Certificate2Collection chain)
    {
        (_certificate, _chain) = (certificate, chain);
        _options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, chain, offline: true),
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
    }

    /// <summary>Reads the certificate, with those that signed it behind it in its file, and its key. Throws <see cref="ConfigException"/>.</summary>
    internal static VncTls Load(string folder)
    {
        string file = Path.Combine(folder, CertificateName), key = Path.Combine(folder, KeyName);
        X509Certificate2Collection chain = [];
        try
        {
            X509Certificate2 certificate = X509Certificate2.CreateFromPemFile(file, key);
            chain.ImportFromPemFile(file);
            return new VncTls(certificate, chain);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new ConfigException($"The display's certificate {file} and its key {KeyName} cannot be used ({refused.Message.TrimEnd('.')}); put both there as PEM, the key without a passphrase.", refused);
        }
    }

    /// <summary>Encrypts a connection; returns when both sides know the keys. Throws <see cref="AuthenticationException"/> or <see cref="IOException"/>.</summary>
    internal SslStream Encrypt(Stream plain)
    {
        SslStream stream = new(plain, leaveInnerStreamOpen: false);
        try
        {
            stream.AuthenticateAsServer(_options);
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _certificate.Dispose();
        foreach (X509Certificate2 certificate in _chain) certificate.Dispose();
    }
}
