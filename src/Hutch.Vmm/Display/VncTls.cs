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
    private readonly SslStreamCertificateContext _context;

    private VncTls(X509Certificate2 certificate, X509Certificate2Collection chain)
    {
        (_certificate, _chain) = (certificate, chain);
        _context = SslStreamCertificateContext.Create(certificate, chain, offline: true);
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
    /// <param name="plain">The connection.</param>
    /// <param name="isBrowser">A browser is at the other end. TigerVNC 1.12, Debian 12's, waits for ever behind the session tickets that TLS 1.3 sends with the first words, so that viewers have 1.2.</param>
    internal SslStream Encrypt(Stream plain, bool isBrowser)
    {
        SslServerAuthenticationOptions options = new()
        {
            ServerCertificateContext = _context,
            EnabledSslProtocols = isBrowser ? SslProtocols.Tls12 | SslProtocols.Tls13 : SslProtocols.Tls12,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        SslStream stream = new(plain, leaveInnerStreamOpen: false);
        try
        {
            stream.AuthenticateAsServer(options);
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
