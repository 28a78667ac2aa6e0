using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Net;
using Hutch.Net.Packets;
using Xunit;

namespace Hutch.Tests.Net.Packets;

public sealed class FrameBacklogTests
{
    [Fact]
    public void It_gives_back_what_went_in_and_drops_what_finds_no_room()
    {
        FrameBacklog backlog = new(10_000);
        RecordingBuffers guest = new();
        Queue<byte[]> model = new();
        Random random = new(7);
        int waiting = 0;
        long dropped = 0;
        for (int round = 0; round < 50_000; round++)
        {
            if (random.Next(3) != 0)
            {
                byte[] frame = new byte[random.Next(1500)];
                random.NextBytes(frame);
                backlog.Add(frame);
                if (waiting + frame.Length + 4 > 10_000) dropped++;
                else
                {
                    model.Enqueue(frame);
                    waiting += frame.Length + 4;
                }
            }
            else
            {
                guest.IsFull = random.Next(2) == 0;
                bool all = backlog.Deliver(guest, PacketOffload.Verified);
                foreach (byte[] frame in guest.Frames) Assert.Equal(model.Dequeue(), frame);
                waiting -= guest.Frames.Sum(static frame => frame.Length + 4);
                guest.Frames.Clear();
                Assert.Equal(model.Count == 0, all);
            }
            Assert.Equal(model.Count == 0, backlog.IsEmpty);
            Assert.Equal(dropped, backlog.Dropped);
        }
    }
}
