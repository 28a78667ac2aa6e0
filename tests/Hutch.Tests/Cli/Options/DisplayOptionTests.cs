using System.IO;
using Hutch.Cli;
using Hutch.Cli.Options;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Cli.Options;

/// <summary>The value of <c>--display</c>.</summary>
public sealed class DisplayOptionTests
{
    [Fact]
    public void A_display_is_an_address_and_what_protects_it()
    {
        string folder = Path.GetTempPath(), full = Path.GetFullPath(folder);
        Assert.Null(DisplayOption.Parse("none"));
        Assert.Equal(new VncConfig("127.0.0.1", 5903), DisplayOption.Parse("vnc=127.0.0.1:3"));
        Assert.Equal(new VncConfig("::1", 5900), DisplayOption.Parse("vnc=[::1]:0"));
        Assert.Equal(new VncConfig("", 5901, WebSocketPort: 5701), DisplayOption.Parse("vnc=:1,websocket=on"));
        Assert.Equal(new VncConfig("", 5901, TlsFolder: full, WebSocketPort: 8080), DisplayOption.Parse($"vnc=:1,websocket=8080,tls={folder}"));
        Assert.Equal(new VncConfig(null, 0, "/run/x", TlsFolder: full), DisplayOption.Parse($"vnc=unix:/run/x,tls={folder}"));
    }

    [Theory]
    [InlineData("vnc", "write vnc=")]
    [InlineData("sdl=1", "write vnc=")]
    [InlineData("vnc=1", "number of the display")]
    [InlineData("vnc=:60000", "number of the display")]
    [InlineData("vnc=:1,websocket", "write vnc=")]
    [InlineData("vnc=:1,websocket=0", "'on' or a TCP port")]
    [InlineData("vnc=:1,websocket=70000", "'on' or a TCP port")]
    [InlineData("vnc=:1,websocket=on,websocket=on", "write vnc=")]
    [InlineData("vnc=:1,colour=red", "write vnc=")]
    [InlineData("vnc=unix:/run/x,websocket=on", "not for a UNIX socket")]
    [InlineData("vnc=:1,tls=/nonexistent", "server-cert.pem")]
    public void What_is_no_display_is_refused_in_words(string value, string words) =>
        Assert.Contains(words, Assert.Throws<UserException>(() => DisplayOption.Parse(value)).Message, System.StringComparison.Ordinal);
}
