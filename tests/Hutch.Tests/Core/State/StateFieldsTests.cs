using System;
using Hutch.Core.State;
using Xunit;

namespace Hutch.Tests.Core.State;

public sealed class StateFieldsTests
{
    private sealed class Part
    {
        internal byte Small = 200;
        internal uint Wide = 0xdead_beef;
        internal long Signed = -5;
        internal bool Flag = true;
        internal byte[] Bytes = [1, 2, 3];
        internal byte[] Blob = [9];
        internal ulong[] Numbers = [ulong.MaxValue, 0];
        internal ushort Inner = 7;

        internal void Exchange(StateFields fields)
        {
            fields.Value("small", ref Small);
            fields.Value("wide", ref Wide);
            fields.Value("signed", ref Signed, -10, 10);
            fields.Value("flag", ref Flag);
            fields.Bytes("bytes", Bytes);
            Blob = fields.Blob("blob", Blob, 16);
            fields.Numbers("numbers", Numbers);
            fields.Group("group", group => group.Value("inner", ref Inner));
        }
    }

    private static byte[] Saved(Action<StateFields> exchange)
    {
        StateWriter writer = new("part");
        exchange(writer);
        return writer.Body.ToArray();
    }

    [Fact]
    public void Everything_comes_back_and_is_saved_alike_again()
    {
        byte[] saved = Saved(new Part().Exchange);
        Part back = new() { Small = 0, Wide = 0, Signed = 0, Flag = false, Bytes = new byte[3], Blob = [], Numbers = new ulong[2], Inner = 0 };
        back.Exchange(new StateReader("part", saved));
        Assert.Equal((200, 0xdead_beefu, -5L, true, (ushort)7), ((int)back.Small, back.Wide, back.Signed, back.Flag, back.Inner));
        Assert.Equal([ulong.MaxValue, 0], back.Numbers);
        Assert.Equal(saved, Saved(back.Exchange));
    }

    [Fact]
    public void A_field_that_is_not_known_is_stepped_over()
    {
        byte newer = 1;
        byte[] saved = [.. Saved(fields => fields.Value("from-the-future", ref newer)), .. Saved(new Part().Exchange)];
        new Part().Exchange(new StateReader("part", saved));
    }

    [Fact]
    public void A_missing_field_is_named()
    {
        StateException missing = Assert.Throws<StateException>(() => new Part().Exchange(new StateReader("part", ReadOnlyMemory<byte>.Empty)));
        Assert.Contains("part lacks 'small'", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_out_of_range_is_named()
    {
        byte[] saved = Saved(fields =>
        {
            uint wide = 256;
            fields.Value("small", ref wide);
        });
        StateException damaged = Assert.Throws<StateException>(() =>
        {
            byte small = 0;
            new StateReader("part", saved).Value("small", ref small);
        });
        Assert.Contains("'small' has a value that it cannot have", damaged.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_bytes_are_a_state_exception_and_nothing_else()
    {
        byte[] good = Saved(new Part().Exchange);
        Random random = new(2);
        for (int round = 0; round < 100_000; round++)
        {
            byte[] bad = good[..(round % 3 == 0 ? random.Next(good.Length) : good.Length)];
            for (int change = random.Next(4); change > 0 && bad.Length > 0; change--) bad[random.Next(bad.Length)] = (byte)random.Next(256);
            try
            {
                new Part().Exchange(new StateReader("part", bad));
            }
            catch (StateException)
            {
                // The one exception that the callers expect.
            }
        }
    }
}
