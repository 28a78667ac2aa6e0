using System;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Xdr;
using Xunit;

namespace Hutch.Tests.Daemon.Libvirt;

/// <summary>XDR (RFC 4506) as libvirt's clients write it.</summary>
public sealed class XdrTests
{
    // RFC 4506 §4.1, §4.5, §4.7, §4.11, §4.19: numbers, strings with their padding, optional data.
    [Fact]
    public void Fields_have_their_forms()
    {
        XdrWriter xdr = new();
        new StorageVolDownloadArgs(new StorageVol("p", "name", ""), 1UL << 32, ulong.MaxValue, 3).Write(xdr);
        Assert.Equal("00000001" + "70000000" + "00000004" + "6E616D65" + "00000000" + "0000000100000000" + "FFFFFFFFFFFFFFFF" + "00000003", Convert.ToHexString(xdr.Written));
        xdr = new XdrWriter();
        new ConnectOpenArgs(null, 1).Write(xdr);
        new ConnectOpenArgs("ä", 0).Write(xdr);
        Assert.Equal("00000000" + "00000001" + "00000001" + "00000002" + "C3A40000" + "00000000", Convert.ToHexString(xdr.Written));
    }

    [Fact]
    public void Any_word_but_zero_says_that_an_optional_value_is_there()
    {
        XdrReader xdr = new(Convert.FromHexString("01000000" + "00000001" + "61000000" + "00000007"));
        Assert.Equal(new ConnectOpenArgs("a", 7), ConnectOpenArgs.Read(ref xdr));
    }

    [Fact]
    public void Typed_parameters_keep_their_types()
    {
        TypedParameter[] all = [new("a", 1), new("b", 2u), new("c", -3L), new("d", 4UL), new("e", 0.5), new("f", true), new("g", "text")];
        XdrWriter writer = new();
        new DomainStatsRecord(new Domain("x", Guid.NewGuid(), -1), all).Write(writer);
        XdrReader reader = new(writer.Written);
        Assert.Equal(all, DomainStatsRecord.Read(ref reader).Params);
    }

    [Fact]
    public void An_array_of_a_fixed_length_has_no_count()
    {
        XdrWriter writer = new();
        new NodeGetInfoReply("x86_64"u8.ToArray(), 1, 2, 3, 4, 5, 6, 7).Write(writer);
        Assert.Equal((32 * 4) + 8 + (6 * 4), writer.Written.Length);
        Assert.Equal("00000078" + "00000038", Convert.ToHexString(writer.Written[..8]));
    }

    [Theory]
    // A count beyond the protocol's most, one beyond what was sent, a string beyond it, one that is cut short, and one that is not UTF-8.
    [InlineData("00004001")]
    [InlineData("00004000" + "00000001")]
    [InlineData("00000001" + "00400001")]
    [InlineData("00000001" + "00000008" + "61626364")]
    [InlineData("00000001" + "00000001" + "FF000000")]
    [InlineData("")]
    public void What_is_not_what_its_type_says_is_refused(string bytes)
    {
        byte[] data = Convert.FromHexString(bytes);
        Assert.Throws<XdrException>(() =>
        {
            XdrReader xdr = new(data);
            _ = ConnectListDefinedDomainsReply.Read(ref xdr);
        });
    }
}
