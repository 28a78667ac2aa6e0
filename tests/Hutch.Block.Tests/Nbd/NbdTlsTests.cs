using System;
using System.IO;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Nbd;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Nbd;

public sealed class NbdTlsTests : IDisposable
{
    private readonly string _folder = Certificates.Make();

    [Fact]
    public async Task Both_sides_speak_TLS()
    {
        MemoryNode memory = new(1 << 20);
        memory.Write(0, [1, 2, 3]);
        await using NbdPair pair = Serve(memory);
        await using BlockNode node = await NbdNode.OpenAsync(pair.Client() with { Tls = new NbdTls { Folder = _folder, HostName = "localhost" } }, default);
        Assert.Equal([1, 2, 3], await BlockNodeContract.Read(node, 0, 3));
        byte[] data = new byte[300000];
        new Random(1).NextBytes(data);
        await BlockNodeContract.Write(node, 5, data, cuts: 4);
        Assert.Equal(data, await BlockNodeContract.Read(node, 5, data.Length, cuts: 3));
    }

    [Fact]
    public async Task Without_TLS_nothing_is_told()
    {
        await using NbdPair pair = Serve(new MemoryNode(1 << 20));
        DiskOpenException e = await Assert.ThrowsAsync<DiskOpenException>(() => pair.ConnectAsync());
        Assert.Contains("Server requires TLS", e.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_for_another_name_or_of_another_authority_is_refused()
    {
        await using NbdPair pair = Serve(new MemoryNode(1 << 20));
        await Assert.ThrowsAsync<DiskOpenException>(async () => await NbdNode.OpenAsync(pair.Client() with { Tls = new NbdTls { Folder = _folder, HostName = "example.org" } }, default));
        string other = Certificates.Make();
        try
        {
            await Assert.ThrowsAsync<DiskOpenException>(async () => await NbdNode.OpenAsync(pair.Client() with { Tls = new NbdTls { Folder = other, HostName = "localhost" } }, default));
        }
        finally
        {
            Directory.Delete(other, recursive: true);
        }
    }

    [Fact]
    public async Task A_client_without_a_certificate_is_refused_unless_the_server_does_not_ask()
    {
        await using NbdPair pair = Serve(new MemoryNode(1 << 20));
        await using NbdPair open = new(new NbdServerOptions { Tls = new NbdTls { Folder = _folder, VerifyPeer = false } }, new NbdExport { Name = "", Node = new MemoryNode(1 << 20) });
        string bare = Directory.CreateTempSubdirectory("hutch-tls").FullName;
        File.Copy(Path.Combine(_folder, "ca-cert.pem"), Path.Combine(bare, "ca-cert.pem"));
        NbdTls tls = new() { Folder = bare, HostName = "localhost" };
        await Assert.ThrowsAsync<DiskOpenException>(async () => await NbdNode.OpenAsync(pair.Client() with { Tls = tls }, default));
        await using (BlockNode node = await NbdNode.OpenAsync(open.Client() with { Tls = tls }, default)) Assert.Equal(1 << 20, node.LengthBytes);
        Directory.Delete(bare, recursive: true);
    }

    [Fact]
    public void A_folder_without_certificates_is_named()
    {
        DiskOpenException e = Assert.Throws<DiskOpenException>(() => new NbdTls { Folder = "/absent" }.Check(isServer: true));
        Assert.Contains("/absent/ca-cert.pem", e.Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private NbdPair Serve(BlockNode node) => new(new NbdServerOptions { Tls = new NbdTls { Folder = _folder } }, new NbdExport { Name = "", Node = node });
}

/// <summary>Certificates for tests, as QEMU's tools want them.</summary>
internal static class Certificates
{
    /// <summary>Makes an authority, a server named localhost and a client. Returns the folder.</summary>
    internal static string Make()
    {
        string folder = Directory.CreateTempSubdirectory("hutch-tls").FullName;
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest authority = new("CN=test authority", key, HashAlgorithmName.SHA256);
        authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        authority.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        using X509Certificate2 root = authority.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
        File.WriteAllText(Path.Combine(folder, "ca-cert.pem"), root.ExportCertificatePem());
        Sign(folder, root, "server", "1.3.6.1.5.5.7.3.1");
        Sign(folder, root, "client", "1.3.6.1.5.5.7.3.2");
        return folder;
    }

    private static void Sign(string folder, X509Certificate2 root, string name, string use)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={(name == "server" ? "localhost" : name)}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], critical: false));
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("localhost");
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        byte[] serial = new byte[8];
        RandomNumberGenerator.Fill(serial);
        serial[0] &= 0x7f;
        using X509Certificate2 signed = request.Create(root, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1), serial);
        File.WriteAllText(Path.Combine(folder, $"{name}-cert.pem"), signed.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, $"{name}-key.pem"), key.ExportPkcs8PrivateKeyPem());
    }
}
