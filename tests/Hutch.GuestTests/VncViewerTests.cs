using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>A viewer that people use, on an X server without a monitor: it sees what the guest shows through TLS, and the guest gets what is typed into it.</summary>
public sealed class VncViewerTests : IDisposable
{
    // A display's port is its number and this (RFC 6143 §3).
    private const int PatienceSeconds = 60, FirstPort = 5900;
    private const string Certificate = "server-cert.pem";
    private readonly TemporaryFolder _folder = new();
    private readonly List<Process> _processes = [];

    public void Dispose()
    {
        foreach (Process process in _processes)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
        _folder.Dispose();
    }

    [ToolTheory("Xvfb", "xtigervncviewer", "xdotool", "xwd")]
    [InlineData("Hello, Guest: 42!")]
    public async Task A_viewer_sees_the_guest_and_types(string text)
    {
        int port = FreePort();
        WriteCertificate();
        await using Vm vm = await Vm.Boot("--display", $"vnc=127.0.0.1:{port - FirstPort},tls={_folder.File("")}");
        // White on red, all over the screen.
        await vm.Shell("printf '\\033[41m\\033[2J' >/dev/tty1");

        string display = await StartServer();
        Start("xtigervncviewer", ["-display", display, "-FullScreen=1", "-Log=*:stderr:0", $"-X509CA={_folder.File(Certificate)}", "-SecurityTypes=X509None", $"127.0.0.1::{port}"]);
        await Until(() => CountRed(display) > 100_000, "The viewer did not show the guest's screen.");

        await vm.Shell(VncClient.Listen);
        GrubDisk.Run("env", $"DISPLAY={display}", "xdotool", "mousemove", "300", "300", "click", "1", "type", "--delay", "60", text);
        GrubDisk.Run("env", $"DISPLAY={display}", "xdotool", "key", "Return");
        Assert.Equal(text, await vm.Shell(VncClient.Heard));
        Assert.Equal(0, await vm.PowerOff());
    }

    // The viewer trusts nobody but this server, and wants its address in the certificate.
    private void WriteCertificate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(_folder.File(Certificate), certificate.ExportCertificatePem());
        File.WriteAllText(_folder.File("server-key.pem"), key.ExportPkcs8PrivateKeyPem());
    }

    // A free port whose number a display can have.
    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    // It chooses a free number itself and tells it.
    private async Task<string> StartServer()
    {
        Process server = Start("Xvfb", ["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"]);
        string? number = await server.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(PatienceSeconds));
        return $":{number}";
    }

    private Process Start(string program, string[] arguments)
    {
        Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.ErrorDataReceived += static (_, _) => { };
        process.BeginErrorReadLine();
        _processes.Add(process);
        return process;
    }

    // Pixels of the screen that are VGA's red.
    private int CountRed(string display)
    {
        string picture = _folder.File("screen.xwd");
        GrubDisk.Run("xwd", "-display", display, "-root", "-out", picture);
        byte[] bytes = File.ReadAllBytes(picture);
        // XWDFile.h: the header's length, and behind it the colours, of twelve bytes each.
        int start = BinaryPrimitives.ReadInt32BigEndian(bytes) + (12 * BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(76)));
        int red = 0;
        for (int at = start; at + 4 <= bytes.Length; at += 4)
            if ((BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at)) & 0xffffff) == 0xaa0000) red++;
        return red;
    }

    private static async Task Until(Func<bool> holds, string otherwise)
    {
        using CancellationTokenSource late = new(TimeSpan.FromSeconds(PatienceSeconds));
        while (!holds())
        {
            Assert.False(late.IsCancellationRequested, otherwise);
            await Task.Delay(200);
        }
    }
}
