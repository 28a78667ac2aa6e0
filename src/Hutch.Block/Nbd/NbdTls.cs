using System;
using System.IO;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Nbd;

/// <summary>
/// TLS with certificates from a folder, named as QEMU names them: ca-cert.pem, and server-cert.pem with server-key.pem or client-cert.pem with client-key.pem.
/// </summary>
public sealed record NbdTls
{
    /// <summary>The folder.</summary>
    public required string Folder { get; init; }

    /// <summary>A server wants a certificate of its clients, signed by the same authority.</summary>
    public bool VerifyPeer { get; init; } = true;

    /// <summary>The name that the server's certificate must be for; null: the host's name.</summary>
    public string? HostName { get; init; }

    /// <summary>Reads the certificates and complains about what is missing. Throws <see cref="DiskOpenException"/>.</summary>
    public void Check(bool isServer)
    {
        using X509Certificate2 authority = Authority();
        using X509Certificate2? own = Own(isServer);
        if (isServer && own is null) throw new DiskOpenException($"The TLS folder \"{Folder}\" has no server-cert.pem; a server needs one.");
    }

    /// <summary>Speaks TLS as the client from now on. Throws <see cref="NbdException"/>.</summary>
    internal async ValueTask<Stream> AuthenticateClientAsync(Stream plain, string host, CancellationToken cancellation)
    {
        SslStream secure = new(plain, leaveInnerStreamOpen: false);
        using X509Certificate2 authority = Authority();
        X509Certificate2? own = Own(isServer: false);
        SslClientAuthenticationOptions options = new()
        {
            TargetHost = HostName ?? host,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateChainPolicy = TrustOnly(authority),
            ClientCertificates = own is null ? null : [own],
        };
        return await AuthenticateAsync(secure, stream => stream.AuthenticateAsClientAsync(options, cancellation)).ConfigureAwait(false);
    }

    /// <summary>Speaks TLS as the server from now on. Throws <see cref="NbdException"/>.</summary>
    internal async ValueTask<Stream> AuthenticateServerAsync(Stream plain, CancellationToken cancellation)
    {
        SslStream secure = new(plain, leaveInnerStreamOpen: false);
        using X509Certificate2 authority = Authority();
        SslServerAuthenticationOptions options = new()
        {
            ServerCertificate = Own(isServer: true),
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            ClientCertificateRequired = VerifyPeer,
            CertificateChainPolicy = VerifyPeer ? TrustOnly(authority) : null,
        };
        return await AuthenticateAsync(secure, stream => stream.AuthenticateAsServerAsync(options, cancellation)).ConfigureAwait(false);
    }

    private static async ValueTask<Stream> AuthenticateAsync(SslStream secure, Func<SslStream, Task> authenticate)
    {
        try
        {
            await authenticate(secure).ConfigureAwait(false);
            return secure;
        }
        catch (AuthenticationException e)
        {
            await secure.DisposeAsync().ConfigureAwait(false);
            throw new NbdException($"TLS handshake failed: {e.InnerException?.Message ?? e.Message}", e);
        }
        catch
        {
            await secure.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static X509ChainPolicy TrustOnly(X509Certificate2 authority)
    {
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(X509CertificateLoader.LoadCertificate(authority.RawData));
        return policy;
    }

    private X509Certificate2 Authority()
    {
        string path = Path.Combine(Folder, "ca-cert.pem");
        return Read(path, () => X509Certificate2.CreateFromPem(File.ReadAllText(path)));
    }

    // A client may have none.
    private X509Certificate2? Own(bool isServer)
    {
        string name = isServer ? "server" : "client", certificate = Path.Combine(Folder, $"{name}-cert.pem"), key = Path.Combine(Folder, $"{name}-key.pem");
        return File.Exists(certificate) ? Read(certificate, () => X509Certificate2.CreateFromPemFile(certificate, key)) : null;
    }

    private static X509Certificate2 Read(string path, Func<X509Certificate2> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new DiskOpenException($"The TLS certificate \"{path}\" cannot be read: {e.Message.TrimEnd('.')}; check the folder.", e);
        }
    }
}
