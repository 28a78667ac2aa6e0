using System;
using System.Collections.Generic;
using System.Text;
using System.Text.Json;
using Hutch.Model.Control;
using Xunit;

namespace Hutch.Tests.Model.Control;

public sealed class ControlLineTests
{
    [Fact]
    public void A_request_comes_back_as_it_was()
    {
        VmRequest request = new("save", new Dictionary<string, string> { ["file"] = "/x \"y\"\n", ["then"] = "quit" });
        byte[] line = ControlLine.Write(request);
        Assert.Equal(line.Length - 1, Array.IndexOf(line, (byte)'\n'));
        VmRequest read = ControlLine.ReadRequest(line);
        Assert.Equal("save", read.Verb);
        Assert.Equal(request.Options, read.Options);
    }

    [Fact]
    public void Every_kind_of_reply_comes_back_as_it_was()
    {
        VmReply[] replies =
        [
            VmReply.Completed, VmReply.Error("No."), new VmReply(VmReplyKind.Progress, Done: 1, Total: long.MaxValue),
            VmReply.Completed with { Status = new VmStatus("a", VmState.Paused, 7, "software", 2, 1UL << 40) },
        ];
        foreach (VmReply reply in replies) Assert.Equal(reply, ControlLine.ReadReply(ControlLine.Write(reply)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("{}")]
    [InlineData("{\"verb\":")]
    [InlineData("{\"verb\":\"a\",\"b\":[[[[[[]]]]]]}")]
    public void What_is_no_request_is_a_json_exception(string line) =>
        Assert.ThrowsAny<JsonException>(() => ControlLine.ReadRequest(Encoding.UTF8.GetBytes(line)));

    [Fact]
    public void Damaged_lines_throw_nothing_else()
    {
        byte[] good = ControlLine.Write(VmReply.Completed with { Status = new VmStatus("a", VmState.Paused, 7, "software", 2, 1UL << 40) });
        Random random = new(1);
        for (int round = 0; round < 20_000; round++)
        {
            byte[] bad = (byte[])good.Clone();
            for (int change = 0; change <= round % 4; change++) bad[random.Next(bad.Length)] = (byte)random.Next(256);
            Try(() => ControlLine.ReadReply(bad));
            Try(() => ControlLine.ReadRequest(bad));
        }

        static void Try(Action read)
        {
            try
            {
                read();
            }
            catch (JsonException)
            {
                // The one exception that the callers expect.
            }
        }
    }

    [Theory]
    [InlineData("a", true)]
    [InlineData("Web-1.x_y", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData("a/b", false)]
    [InlineData("-a", false)]
    [InlineData("ä", false)]
    public void A_name_is_a_safe_file_name(string name, bool valid) => Assert.Equal(valid, VmName.IsValid(name));

    [Theory]
    [InlineData("bzImage", "-7", "bzImage-7")]
    [InlineData("../x y", "-7", "x-y-7")]
    [InlineData("", "-7", "vm-7")]
    public void A_made_up_name_is_valid(string text, string suffix, string name)
    {
        Assert.Equal(name, VmName.From(text, suffix));
        Assert.True(VmName.IsValid(VmName.From(new string('x', 500), suffix)));
    }
}
