using System;
using System.Collections.Concurrent;
using System.IO;
using System.Linq;
using Hutch.Devices;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Vmm.Display;
using Xunit;

namespace Hutch.Tests.Vmm.Display;

/// <summary>The server beside a viewer written from RFC 6143.</summary>
public sealed class VncServerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-vnc-").FullName;
    private readonly PaintedScreen _screen = new();
    private readonly RecordingInput _input = new();
    private VncServer? _server;

    public void Dispose()
    {
        _server?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string SocketPath => Path.Combine(_folder, "vnc");

    private RfbViewer Connect(string? password = null)
    {
        if (_server is null)
        {
            string? file = password is null ? null : Path.Combine(_folder, "password");
            if (file is not null) File.WriteAllText(file, $"{password}\nnot this line");
            InputDevices input = new();
            input.Keyboards.Add(_input);
            input.Pointers.Add(_input);
            input.Tablets.Add(_input);
            _server = VncServer.Open(new VncConfig(null, 0, SocketPath, file), "guest", [_screen], input, new MonotonicClock())!;
        }
        return new RfbViewer(SocketPath);
    }

    [Theory]
    [InlineData("RFB 003.003\n")]
    [InlineData("RFB 003.007\n")]
    [InlineData("RFB 003.008\n")]
    [InlineData("RFB 003.889\n")]
    public void Every_version_sees_the_screen(string version)
    {
        using RfbViewer viewer = Connect();
        Assert.Null(viewer.Begin(version));
        Assert.Equal(("guest", 200, 150), (viewer.Name, viewer.Width, viewer.Height));

        viewer.Request(incremental: false);
        viewer.Update();

        Assert.Equal(_screen.Pixels, viewer.Picture);
        Assert.All(viewer.Kinds, static kind => Assert.Equal(RfbViewer.Raw, kind));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(16)]
    [InlineData(5000)]
    public void Compressed_pictures_are_the_same(int colours)
    {
        _screen.Paint(colours);
        using RfbViewer viewer = Connect();
        Assert.Null(viewer.Begin());
        viewer.SetEncodings(7, RfbViewer.Zrle, RfbViewer.Raw);

        viewer.Request(incremental: false);
        viewer.Update();
        Assert.Equal(_screen.Pixels, viewer.Picture);

        _screen.Set(199, 149, 0x123456);
        viewer.Request(incremental: true);
        viewer.Update();
        Assert.Equal(_screen.Pixels, viewer.Picture);
        Assert.Equal(RfbViewer.Zrle, viewer.Kinds[^1]);
        // One tile, not the screen again.
        Assert.Equal(4, viewer.Kinds.Count);
    }

    [Theory]
    [InlineData(new byte[] { 0, 0, 0, 0, 16, 16, 0, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0 }, 2, 0xffe0u)]
    [InlineData(new byte[] { 0, 0, 0, 0, 16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0 }, 2, 0xe0ffu)]
    [InlineData(new byte[] { 0, 0, 0, 0, 8, 8, 0, 1, 0, 7, 0, 7, 0, 3, 0, 3, 6, 0, 0, 0 }, 1, 0x3fu)]
    public void A_viewer_chooses_its_pixels(byte[] format, int pixelBytes, uint yellow)
    {
        _screen.Paint(1);
        for (int x = 0; x < 200; x++) _screen.Set(x, 3, 0xffff00);
        using RfbViewer viewer = Connect();
        Assert.Null(viewer.Begin());
        viewer.Send(format);
        viewer.SetEncodings(RfbViewer.Zrle);
        viewer.Request(incremental: false);
        viewer.Update(pixelBytes);
        Assert.Equal(yellow, viewer.Picture[(3 * 200) + 7]);
    }

    [Fact]
    public void A_new_size_is_told_to_viewers_that_know_how_and_shown_as_it_fits_to_others()
    {
        using RfbViewer knowing = Connect(), other = Connect();
        Assert.Null(knowing.Begin());
        Assert.Null(other.Begin());
        knowing.SetEncodings(RfbViewer.Raw, RfbViewer.DesktopSize);
        foreach (RfbViewer viewer in (RfbViewer[])[knowing, other])
        {
            viewer.Request(incremental: false);
            viewer.Update();
        }
        _screen.Resize(300, 100);
        foreach (RfbViewer viewer in (RfbViewer[])[knowing, other])
        {
            viewer.Request(incremental: true);
            viewer.Update();
        }
        Assert.Equal((300, 100), (knowing.Width, knowing.Height));
        Assert.Equal(_screen.Pixels, knowing.Picture);
        Assert.Equal(_screen.Pixels[(99 * 300)..((99 * 300) + 200)], other.Picture[(99 * 200)..(100 * 200)]);
    }

    // The community's rfbproto, SetDesktopSize and ExtendedDesktopSize: status 4 is a request that was forwarded, 1 one that is prohibited.
    [Theory]
    [InlineData(true, 4)]
    [InlineData(false, 1)]
    public void A_viewer_asks_for_a_size(bool canBeAsked, int result)
    {
        _screen.CanBeAsked = canBeAsked;
        using RfbViewer viewer = Connect();
        Assert.Null(viewer.Begin());
        viewer.SetEncodings(RfbViewer.Raw, RfbViewer.ExtendedDesktopSize);
        viewer.Request(incremental: false);
        viewer.Update();
        Assert.Equal([(0, 0, 200, 150)], viewer.Layouts);

        viewer.AskForSize(320, 240);
        viewer.Request(incremental: true);
        viewer.Update();
        while (canBeAsked && viewer.Width != 320)
        {
            viewer.Request(incremental: true);
            viewer.Update();
        }

        Assert.Contains(viewer.Layouts, layout => (layout.Reason, layout.Result) == (1, result));
        Assert.Equal(canBeAsked ? (320, 240) : (200, 150), (viewer.Width, viewer.Height));
        viewer.Request(incremental: false);
        viewer.Update();
        Assert.Equal(_screen.Pixels, viewer.Picture);
        // Said once.
        Assert.Equal(canBeAsked ? 3 : 2, viewer.Layouts.Count);
    }

    [Fact]
    public void Keys_and_pointer_reach_the_machine()
    {
        using RfbViewer viewer = Connect();
        Assert.Null(viewer.Begin());
        viewer.Key('a', true);
        viewer.Key('a', false);
        viewer.Key('!', true);
        viewer.Key('!', false);
        viewer.Key(0xff52, true);
        viewer.KeyCode(0x9d, true);
        viewer.Pointer(0, 10, 10);
        viewer.Pointer(1, 15, 8);
        viewer.Pointer(1 | 8, 15, 8);
        viewer.Pointer(4, 15, 8);
        Assert.Equal(
            ["1e+", "1e-", "2a+", "02+", "02-", "2a-", "c8+", "9d+", "0,0,0,None", "5,-2,0,Left", "0,0,-1,Left", "0,0,0,Right"],
            _input.Take(12));

        viewer.Dispose();
        // What a viewer holds is let go when it leaves.
        Assert.Equal(["9d-", "c8-", "0,0,0,None"], _input.Take(3));
    }

    [Fact]
    public void Letters_are_shifted_where_the_viewer_does_not_do_it_and_the_lock_is_minded()
    {
        using RfbViewer viewer = Connect();
        Assert.Null(viewer.Begin());
        viewer.Key('A', true);
        viewer.Key('A', false);
        Assert.Equal(["2a+", "1e+", "1e-", "2a-"], _input.Take(4));
        viewer.Key(0xffe2, true);
        viewer.Key('A', true);
        viewer.Key('A', false);
        viewer.Key(0xffe2, false);
        Assert.Equal(["36+", "1e+", "1e-", "36-"], _input.Take(4));
        _input.HasCapsLock = true;
        viewer.Key('A', true);
        viewer.Key('A', false);
        Assert.Equal(["1e+", "1e-"], _input.Take(2));
    }

    [Fact]
    public void Viewers_that_know_extended_keys_are_told_that_we_do()
    {
        using RfbViewer viewer = Connect();
        Assert.Null(viewer.Begin());
        viewer.SetEncodings(RfbViewer.Raw, RfbViewer.ExtendedKeys);
        viewer.Request(incremental: false);
        viewer.Update();
        Assert.Contains(RfbViewer.ExtendedKeys, viewer.Kinds);
    }

    [Fact]
    public void A_password_is_checked_and_five_wrong_ones_lock_the_door_for_a_while()
    {
        using (RfbViewer right = Connect("secret")) Assert.Null(right.Begin(security: 2, password: "secret"u8.ToArray()));
        for (int i = 0; i < 5; i++)
        {
            using RfbViewer wrong = Connect();
            Assert.Contains("wrong", wrong.Begin(security: 2, password: "Secret"u8.ToArray()), StringComparison.Ordinal);
            Assert.True(wrong.IsSentAway());
        }
        using RfbViewer late = Connect();
        Assert.Contains("Too many", late.Begin(security: 2, password: "secret"u8.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_viewer_that_wants_to_be_alone_sends_the_others_away()
    {
        using RfbViewer first = Connect(), second = Connect();
        Assert.Null(first.Begin());
        Assert.Null(second.Begin(shared: false));
        Assert.True(first.IsSentAway());
        second.Request(incremental: false);
        second.Update();
    }

    [Fact]
    public void A_message_that_is_none_ends_one_connection_and_no_other()
    {
        using RfbViewer good = Connect(), bad = Connect();
        Assert.Null(good.Begin());
        Assert.Null(bad.Begin());
        bad.Send(77);
        Assert.True(bad.IsSentAway());
        good.Request(incremental: false);
        good.Update();
        Assert.Equal(_screen.Pixels, good.Picture);
    }

    [Fact]
    public void Mistakes_of_the_operator_are_said()
    {
        VncConfig config = new(null, 0, SocketPath);
        Assert.Contains("--device VGA", Assert.Throws<ConfigException>(() => VncServer.Open(config, "x", [], new InputDevices(), new MonotonicClock())).Message, StringComparison.Ordinal);
        Assert.Contains("password file", Assert.Throws<ConfigException>(() => VncServer.Open(config with { PasswordPath = "/nonexistent" }, "x", [_screen], new InputDevices(), new MonotonicClock())).Message, StringComparison.Ordinal);
        _ = Connect();
        Assert.Contains("--display", Assert.Throws<ConfigException>(() => VncServer.Open(config, "x", [_screen], new InputDevices(), new MonotonicClock())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", null, "all addresses, port 5900")]
    [InlineData("0.0.0.0", null, "0.0.0.0, port 5900")]
    [InlineData("192.0.2.7", null, "192.0.2.7, port 5900")]
    [InlineData("example.org", null, "example.org, port 5900")]
    [InlineData("::", null, "::, port 5900")]
    [InlineData("0.0.0.0", "/password", null)]
    [InlineData("127.0.0.1", null, null)]
    [InlineData("127.1.2.3", null, null)]
    [InlineData("::1", null, null)]
    [InlineData("localhost", null, null)]
    public void Everybody_may_come_in_only_with_a_warning(string host, string? password, string? where)
    {
        string? warning = VncServer.WarningOf(new VncConfig(host, 5900, null, password));
        if (where is null) Assert.Null(warning);
        else Assert.Contains($"The display is served on {where}, without a password", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_of_its_user_and_no_display_need_no_warning()
    {
        Assert.Null(VncServer.WarningOf(null));
        Assert.Null(VncServer.WarningOf(new VncConfig(null, 0, "/socket")));
    }

    [Fact]
    public void A_tablet_that_the_guest_uses_gets_places_and_the_mouse_nothing()
    {
        using RfbViewer viewer = Connect();
        Assert.Null(viewer.Begin());
        viewer.Pointer(0, 10, 10);
        _ = _input.Take(1);
        _input.HasTablet = true;
        viewer.Pointer(1, 199, 0);
        viewer.Pointer(0, 0, 149);
        viewer.Pointer(16, 5000, 75);
        Assert.Equal(["at 32767,0,0,Left", "at 0,32767,0,None", "at 32767,16493,1,None"], _input.Take(3));
    }

    private sealed class RecordingInput : IKeyboard, IPointer, IAbsolutePointer
    {
        private readonly BlockingCollection<string> _events = [];

        public bool HasCapsLock { get; set; }

        /// <summary>The guest has a driver for the tablet.</summary>
        internal bool HasTablet { get; set; }

        bool IKeyboard.IsUsed => true;

        bool IPointer.IsUsed => true;

        bool IAbsolutePointer.IsUsed => HasTablet;

        public void Place(int x, int y, int wheel, PointerButtons buttons) => _events.Add($"at {x},{y},{wheel},{buttons}");

        public void Press(byte key, bool down) => _events.Add($"{key:x2}{(down ? '+' : '-')}");

        public void Update(int right, int down, int wheel, PointerButtons buttons) => _events.Add($"{right},{down},{wheel},{buttons}");

        internal string[] Take(int count) => [.. Enumerable.Range(0, count).Select(_ => _events.TryTake(out string? each, 30_000) ? each : "nothing")];
    }
}
