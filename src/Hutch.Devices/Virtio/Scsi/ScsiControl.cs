using System;
using System.Buffers.Binary;
using Hutch.Devices.Virtio.Queue;
using static Hutch.Devices.Virtio.Scsi.VirtioScsiRegisters;

namespace Hutch.Devices.Virtio.Scsi;

/// <summary>
/// The control queue (virtio 1.2 §5.6.6.2). What storage began cannot be taken back: a task management function waits until nothing is in flight, so that the commands that it ends have ended, and
/// its answer is true. On the worker of that queue.
/// </summary>
internal sealed class ScsiControl(VirtioScsi controller)
{
    private const int TaskBytes = 24, QueryBytes = 16, QueryAnswerBytes = 5;

    /// <summary>Carries a request out. Returns how many bytes of the chain are written.</summary>
    internal uint Answer(DescriptorChain chain)
    {
        Span<byte> request = stackalloc byte[TaskBytes];
        request.Clear();
        _ = chain.TryRead(0, request[..(int)Math.Min(TaskBytes, chain.ReadableBytes)]);
        uint type = BinaryPrimitives.ReadUInt32LittleEndian(request);
        Span<byte> answer = stackalloc byte[QueryAnswerBytes];
        answer.Clear();
        if (type == ControlTask && chain.ReadableBytes >= TaskBytes)
        {
            answer = answer[..1];
            answer[0] = Manage(BinaryPrimitives.ReadUInt32LittleEndian(request[4..]), BinaryPrimitives.ReadUInt64BigEndian(request[8..]), BinaryPrimitives.ReadUInt64LittleEndian(request[16..]));
        }
        else if (type is ControlQuery or ControlSubscribe && chain.ReadableBytes >= QueryBytes)
        {
            // A disk has no media events: none is there, and none can be subscribed to.
            answer[4] = controller.FindTarget(BinaryPrimitives.ReadUInt64BigEndian(request[4..])) is null ? ResponseBadTarget : ResponseOk;
        }
        else
        {
            answer = answer[..1];
            answer[0] = ResponseFailure;
        }
        return chain.TryWrite(0, answer) ? (uint)answer.Length : 0;
    }

    private byte Manage(uint function, ulong lun, ulong tag)
    {
        if (controller.FindTarget(lun) is not ScsiDisk disk) return ResponseBadTarget;
        if (function != NexusReset && VirtioScsi.UnitOf(lun) != 0) return ResponseIncorrectLun;
        if (function is not (AbortTask or AbortTaskSet or ClearTaskSet or NexusReset or LogicalUnitReset)) return ResponseFunctionRejected;
        bool isReset = function is NexusReset or LogicalUnitReset;
        controller.Quiesce();
        controller.AnswerHeld(request =>
        {
            if (request is not ScsiRequest command || command.Disk != disk || (function == AbortTask && command.Tag != tag)) return false;
            command.Abort(isReset ? ResponseReset : ResponseAborted);
            return true;
        });
        if (isReset) disk.Raise(ScsiCodes.DeviceReset);
        controller.GoOn();
        return ResponseFunctionComplete;
    }
}
