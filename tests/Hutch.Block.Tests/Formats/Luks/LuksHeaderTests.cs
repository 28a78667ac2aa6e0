using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Luks;
using Hutch.Host.Time;
using Xunit;

namespace Hutch.Block.Tests.Formats.Luks;

public sealed class LuksHeaderTests : IDisposable
{
    private static readonly byte[] Volume = LuksCreation.Create(
        LuksCreateOptions.Parse(new Dictionary<string, string> { ["iter-time"] = "1" }, ""), "abc"u8, new MonotonicClock());

    private readonly ImageFolder _images = new();

    public LuksHeaderTests() => _images.Secrets["s0"] = "abc"u8.ToArray();

    [Theory]
    [InlineData(0, "4d", "Volume is not in LUKS format")]
    [InlineData(6, "0002", "LUKS version 2 is not supported")]
    [InlineData(8, "78797a00", "Algorithm 'xyz' with key size 64 bytes not supported")]
    [InlineData(8, "4141414141414141414141414141414141414141414141414141414141414141", "LUKS header cipher name is not NUL terminated")]
    [InlineData(40, "4141414141414141414141414141414141414141414141414141414141414141", "LUKS header cipher mode is not NUL terminated")]
    [InlineData(40, "7879732d", "Cipher mode 'xys' is not recognized")]
    [InlineData(40, "78747300", "Unexpected cipher mode string format 'xts'")]
    [InlineData(40, "7874732d7800", "IV generator 'x' is not recognized")]
    [InlineData(40, "7874732d657373697600", "Missing IV generator hash specification")]
    [InlineData(40, "7874732d65737369763a6100", "Hash algorithm 'a' is not recognized")]
    [InlineData(72, "4141414141414141414141414141414141414141414141414141414141414141", "LUKS header hash spec is not NUL terminated")]
    [InlineData(72, "7800", "Hash algorithm 'x' is not recognized")]
    [InlineData(104, "00000001", "LUKS payload is overlapping with the header")]
    [InlineData(104, "ffffffff", "LUKS header is cut off")]
    [InlineData(104, "00000fc7", "Keyslot 7 is overlapping with the encrypted payload")]
    [InlineData(108, "ffffffff", "XTS cipher key length should be a multiple of 2")]
    [InlineData(108, "fffffffe", "Algorithm 'aes' with key size 2147483647 bytes not supported")]
    [InlineData(164, "00000000", "LUKS key iteration count is zero")]
    [InlineData(208, "12345678", "Keyslot 0 state (active/disable) is corrupted")]
    [InlineData(212, "00000000", "Keyslot 0 iteration count is zero")]
    [InlineData(248, "00000001", "Keyslot 0 is overlapping with the LUKS header")]
    [InlineData(248, "00000200", "Keyslots 0 and 1 are overlapping in the header")]
    [InlineData(248, "fffffff0", "Keyslot 0 is overlapping with the encrypted payload")]
    [InlineData(252, "00000001", "Keyslot 0 is corrupted (stripes 1 != 4000)")]
    public async Task A_damaged_field_is_named(int offset, string bytes, string message)
    {
        byte[] damaged = [.. Volume];
        Convert.FromHexString(bytes).CopyTo(damaged, offset);
        _images.Write("bad.luks", damaged);
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(LuksFormat.Instance, "bad.luks", noData: true));
        Assert.Equal(message, refused.Message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(500)]
    [InlineData(4096)]
    public async Task A_cut_off_volume_is_refused(int length)
    {
        _images.Write("short.luks", Volume.AsSpan(0, length));
        await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(LuksFormat.Instance, "short.luks", options: ("key-secret", "s0")));
    }

    [Fact]
    public async Task An_attack_on_the_readers_time_is_refused()
    {
        byte[] slow = [.. Volume];
        BinaryPrimitives.WriteUInt32BigEndian(slow.AsSpan(212), uint.MaxValue);
        _images.Write("slow.luks", slow);
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(LuksFormat.Instance, "slow.luks", options: ("key-secret", "s0")));
        Assert.StartsWith("PBKDF iterations 4294967295 must be less than", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secrets_are_asked_for_by_name()
    {
        _images.Write("disk.luks", Volume);
        ImageException missing = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(LuksFormat.Instance, "disk.luks"));
        Assert.Equal("Parameter 'key-secret' is required for cipher", missing.Message);
        ImageException unknown = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(LuksFormat.Instance, "disk.luks", options: ("key-secret", "nope")));
        Assert.Equal("No secret with id 'nope'", unknown.Message);
    }

    [Fact]
    public void A_header_is_written_as_it_was_read() => Assert.Equal(Volume[..LuksHeader.Bytes], LuksHeader.Parse(Volume).ToBytes());

    [Fact]
    public void A_volume_begins_where_qemu_lets_it_begin()
    {
        Assert.Equal(2068480, Volume.Length);
        Assert.Equal(2068480, LuksHeader.Parse(Volume).PayloadOffset);
        Assert.Equal(100, LuksFormat.Instance.Probe(Volume.AsSpan(0, 2048), ""));
        Assert.Equal(0, LuksFormat.Instance.Probe(Volume.AsSpan(0, 5), ""));
    }

    [Theory]
    [InlineData("cipher-alg", "foo", "Parameter 'cipher-alg' does not accept value 'foo'")]
    [InlineData("cipher-mode", "foo", "Parameter 'cipher-mode' does not accept value 'foo'")]
    [InlineData("cipher-alg", "twofish-256", "Unsupported cipher algorithm twofish-256 with xts mode")]
    [InlineData("cipher-mode", "ctr", "Unsupported cipher algorithm aes-256 with ctr mode")]
    [InlineData("hash-alg", "ripemd160", "Hash algorithm 'ripemd160' is not supported")]
    [InlineData("iter-time", "x", "Parameter 'iter-time' expects a number")]
    public void A_bad_option_is_named(string name, string value, string message)
    {
        ImageException refused = Assert.Throws<ImageException>(() => LuksCreateOptions.Parse(new Dictionary<string, string> { [name] = value }, ""));
        Assert.Equal(message, refused.Message);
    }

    [Fact]
    public void Iterations_have_a_floor_however_slow_the_clock_makes_the_machine_look()
    {
        SlowClock clock = new();
        Assert.Equal(200_000, LuksIterations.Choose(System.Security.Cryptography.HashAlgorithmName.SHA256, 64, 2000, clock));
        Assert.Equal(1000, LuksIterations.Choose(System.Security.Cryptography.HashAlgorithmName.SHA256, 64, 1, clock));
    }

    public void Dispose() => _images.Dispose();

    private sealed class SlowClock : IClock
    {
        private long _now;

        public long MonotonicNanoseconds => _now += 60_000_000_000;

        public DateTimeOffset UtcNow => DateTimeOffset.UnixEpoch;
    }
}
