using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Formats.Luks;
using Hutch.Host.Time;
using Xunit;

namespace Hutch.Block.Tests.Formats.Luks;

/// <summary>A volume that was made here opens without a derivation, and only with its passphrase.</summary>
public sealed class VolumeKeysTests
{
    [Fact]
    public async Task The_key_that_is_remembered_is_the_volumes()
    {
        VolumeKeys made = new();
        byte[] bytes = Make(made);
        LuksVolume volume = await LuksVolume.OpenAsync(new LuksArea(new MemoryFile(bytes), 0, bytes.Length), default);
        byte[]? derived = await volume.FindKeyAsync("abc"u8.ToArray(), default);
        Assert.NotNull(derived);
        Assert.Equal(derived, made.Find(volume.Header, "abc"u8));
    }

    [Fact]
    public void Another_passphrase_and_another_volume_have_none()
    {
        VolumeKeys made = new();
        LuksHeader header = LuksHeader.Parse(Make(made).AsSpan(0, LuksHeader.Bytes)), other = LuksHeader.Parse(Make(null).AsSpan(0, LuksHeader.Bytes));
        Assert.Null(made.Find(header, "abcd"u8));
        Assert.Null(made.Find(other, "abc"u8));
    }

    private static byte[] Make(VolumeKeys? made) =>
        LuksCreation.Create(LuksCreateOptions.Parse(new Dictionary<string, string> { ["iter-time"] = "1" }, ""), "abc"u8, new MonotonicClock(), made);
}
